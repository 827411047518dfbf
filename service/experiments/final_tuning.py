"""The final tuning of an experiment: its best configuration, on all training rows there are."""

from collections.abc import Sequence

from service.datasets.queries import ready_dataset
from service.evaluation.metrics.registry import find_score
from service.experiments.children import ChildWriter
from service.experiments.hyperparameter_sweep import ConfigurationSpec
from service.experiments.queries import get_experiment
from service.experiments.schemas import ExperimentSpec
from service.experiments.variant_view import VariantView
from service.experiments.variants import FINAL, TrainingSet
from service.jobs.lifecycle import State
from service.jobs.ports import JobRecord, JobRun, JobServices
from service.tuning.schemas import TuneSpec


def write_final_tuning(
    run: JobRun,
    spec: ExperimentSpec,
    children: Sequence[JobRecord],
    *,
    jobs: JobServices,
) -> Sequence[JobRecord]:
    """Write the tuning of the configuration that scores best on the largest training file.

    None where it is not asked for, is there already, or no tuned variant has a score. The test
    rows stay apart; as they have chosen the configuration, they do not score its model again.
    """
    if not spec.final or any(child.labels.get("variant") == FINAL for child in children):
        return []
    row, variants = get_experiment(
        run.outputs["experiment"], project_id=run.project_id, sessions=jobs.sessions
    )
    best = _best(variants)
    if best is None:
        return []
    with jobs.sessions.reading() as session:
        dataset = ready_dataset(row.dataset_id or "", project_id=run.project_id, session=session)
    base = next((each for each in spec.tune_models if each.base_model == best.base_model), spec)
    configuration = ConfigurationSpec.model_validate(best.hyperparameters or {})
    rows = TrainingSet(configuration.prompt or 0)
    made = {each.labels.get("variant"): each.outputs.get("dataset") for each in children}
    tune = TuneSpec(
        dataset=made.get(rows.label) or dataset.id,
        train_size=dataset.train_sizes[-1],
        base_model=best.base_model,
        method=spec.method,
        hyperparameters=configuration.shared,
        provider=base.provider,
        local=configuration.training(base.local),
        allow_unlisted_model=spec.allow_unlisted_model,
    )
    with run.fenced() as session:
        writer = ChildWriter(session, run, jobs.kinds)
        writer.add("tune", tune, FINAL)
    return writer.jobs


def _best(variants: Sequence[VariantView]) -> VariantView | None:
    """Return the tuned variant with the best score on all test rows."""
    rows = max((each.test_rows or 0 for each in variants), default=0)
    scored = [
        each
        for each in variants
        if each.model and each.score is not None and each.test_rows == rows and not each.replicate
    ]
    if not scored:
        return None
    sign = find_score(scored[0].metric or "").sign
    return max(scored, key=lambda each: sign * (each.score or 0))


def final_model(children: Sequence[JobRecord]) -> tuple[str, int] | None:
    """Return the final model and on how many rows it was tuned; None where there is none."""
    for child in children:
        if child.labels.get("variant") == FINAL and child.state == State.SUCCEEDED:
            return child.outputs["model"], int(child.spec["train_size"])
    return None
