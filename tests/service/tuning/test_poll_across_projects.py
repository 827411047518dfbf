"""Tunings take nothing of another project: not its model, not its money, not its folder."""

import pytest

from service.catalogue.catalogue import load_catalogue
from service.database import Sessions
from service.errors import Forbidden, NotFound
from service.jobs.ports import JobCancelled
from service.projects.models import Project
from service.tuning.inputs.access import OwnPlace
from service.tuning.kinds import POLL, tune_kind
from service.tuning.models import TunedModel
from service.tuning.operations import run_poll
from tests.service.tuning.conftest import Tuning
from tests.support.emulator import EmulatorProcess
from tests.support.runs import MemoryRun, add_project, reserve_run


@pytest.fixture
def attacker(sessions: Sessions) -> str:
    """A project that may attach to no tuning of others."""
    project_id = add_project(sessions)
    with sessions.transaction() as session:
        session.get_one(Project, project_id).tunings = []
    return project_id


def attach(tuning: Tuning, project_id: str, name: str) -> MemoryRun:
    spec = {"resource_name": name}
    return reserve_run(POLL, spec, project_id=project_id, sessions=tuning.sessions)


def state_of(emulator: EmulatorProcess, name: str) -> str:
    return str(emulator.request("GET", f"/v1/{name}")["state"])


def test_a_foreign_tuning_is_as_one_that_is_not_there(tuning: Tuning, attacker: str) -> None:
    tuning.step()
    tuning.poll_until_ended()
    name = tuning.row().resource_name or ""
    missing = f"{name.rpartition('/')[0]}/404"
    refusals = set()
    for wanted in (name, missing):
        run = attach(tuning, attacker, wanted)
        with pytest.raises(NotFound) as refused:
            run_poll(run, tuning.services())
        refusals.add((refused.value.code, refused.value.message, tuple(refused.value.faults)))
        with tuning.sessions.reading() as session:
            model = session.get_one(TunedModel, run.outputs["model"])
            assert (model.endpoint, model.resource_name, model.ready_at) == (None, None, None)
    assert {code for code, *_ in refusals} == {"tuning_not_found"}
    assert len(refusals) == 1, "the words distinguish the two"


def test_one_that_is_allowed_is_followed_and_never_stopped(
    tuning: Tuning, attacker: str, emulator: EmulatorProcess
) -> None:
    emulator.configure(tuning_seconds=600)
    tuning.step()
    name = tuning.row().resource_name or ""
    with tuning.sessions.transaction() as session:
        session.get_one(Project, attacker).tunings = [f"{name.rpartition('/')[0]}/*"]
    run = attach(tuning, attacker, name)
    assert run_poll(run, tuning.services()) is not None

    run.cancelling = True
    with pytest.raises(JobCancelled):
        run_poll(run, tuning.services())

    assert "CANCEL" not in state_of(emulator, name)
    emulator.configure(tuning_seconds=0.1)


@pytest.mark.parametrize(
    "uri", ["gs://own/data", "gs://own/data/projects/others", "gs://own/data/"]
)
def test_results_of_a_provider_never_go_into_our_own_folders(sessions: Sessions, uri: str) -> None:
    kind = tune_kind(
        "gemini-3.1-flash-lite", catalogue=load_catalogue(), place=OwnPlace("gs://own/data")
    )
    spec = {
        "dataset": f"ds_{'0' * 26}",
        "train_size": 20,
        "evaluation": {"metrics": ["bleu"], "output_uri": uri},
    }

    with pytest.raises(Forbidden, match="own folder"):
        reserve_run(kind, spec, project_id=add_project(sessions), sessions=sessions)
