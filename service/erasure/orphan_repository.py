"""SQL of what has an entry: projects, tuning runs and outputs, over the tables of every room."""

from sqlalchemy import select

from service.database import Model, Session

_OUTPUTS = ("file", "dataset", "model", "evaluation", "experiment")


def projects(session: Session) -> set[str]:
    return _ids(session, "project")


def tuning_runs(session: Session) -> set[str]:
    return _ids(session, "tuning_run")


def open_tuning_runs(session: Session) -> set[str]:
    """Return the tuning runs whose rows their provider may still have to read."""
    runs = Model.metadata.tables["tuning_run"].c
    is_open = runs.finished_at.is_(None) | runs.input_removed
    return set(session.scalars(select(runs.id).where(is_open)))


def outputs(session: Session) -> set[str]:
    """Return the ids of all outputs, reserved ones too."""
    return {each for name in _OUTPUTS for each in _ids(session, name)}


def _ids(session: Session, name: str) -> set[str]:
    return set(session.scalars(select(Model.metadata.tables[name].c.id)))
