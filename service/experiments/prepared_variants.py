"""The variants of an experiment that waits for datasets of its own before any is tuned.

An extension may need more train sizes, a sweep of prompts rows with other instructions, replicates
by subset other training rows. The test rows of all of them must be the same.
"""

import hashlib
from collections.abc import Mapping, Sequence

from service.database import Session
from service.datasets.examples import Split
from service.datasets.queries import DatasetView, ready_dataset, stream_examples
from service.errors import Conflict
from service.experiments import repository
from service.experiments.children import write_variants
from service.experiments.models import Experiment
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import OWN_ROWS, TrainingSet, training_sets, variants_of
from service.jobs.ports import InputNotReady, JobRecord, JobRun, JobServices
from service.storage.ports import ObjectStore


def write_prepared_variants(
    run: JobRun,
    row: Experiment,
    spec: ExperimentSpec,
    children: Sequence[JobRecord],
    *,
    jobs: JobServices,
    store: ObjectStore,
) -> Sequence[JobRecord]:
    """Write the variants once all datasets are ready; none if they are there already, or where a
    preparation has failed, which the summary says.

    Raises Conflict `test_rows_differ`.
    """
    with jobs.sessions.reading() as session:
        if repository.variants(session, [row.id]):
            return []
        try:
            sets = _ready_sets(session, row, spec, children, project_id=run.project_id)
        except InputNotReady:
            return []
        extended = _extended_dataset(session, spec)
    own = sets[OWN_ROWS]
    compared = [each for key, each in sets.items() if key != OWN_ROWS]
    if extended is not None:
        compared.append(extended)
    if compared:
        _require_same_test_rows(own, compared, store=store)
    return write_variants(run, row, spec, own, sets=sets, kinds=jobs.kinds)


def _ready_sets(
    session: Session,
    row: Experiment,
    spec: ExperimentSpec,
    children: Sequence[JobRecord],
    *,
    project_id: str,
) -> Mapping[TrainingSet, DatasetView]:
    own = ready_dataset(row.dataset_id or "", project_id=project_id, session=session)
    made = {
        child.labels.get("variant"): child.outputs["dataset"]
        for child in children
        if child.kind == "prepare"
    }
    others = {
        each: ready_dataset(made[each.label], project_id=project_id, session=session)
        for each in training_sets(variants_of(spec, own))
    }
    return {OWN_ROWS: own, **others}


def _extended_dataset(session: Session, spec: ExperimentSpec) -> DatasetView | None:
    extended = repository.find(session, spec.extend) if spec.extend else None
    if extended is None:
        return None
    project_id = extended.project_id
    return ready_dataset(extended.dataset_id or "", project_id=project_id, session=session)


def _require_same_test_rows(
    own: DatasetView, compared: Sequence[DatasetView], *, store: ObjectStore
) -> None:
    expected = _test_rows(own, store)
    for each in compared:
        if _test_rows(each, store) != expected:
            message = (
                f"{each.id} and {own.id} have other test rows, so their variants cannot be "
                "compared: has the source changed, or do train sizes leave it fewer rows? Submit a "
                "new experiment, or smaller sizes"
            )
            raise Conflict(message, code="test_rows_differ")


def _test_rows(dataset: DatasetView, store: ObjectStore) -> str:
    digest = hashlib.sha256()
    for example in stream_examples(dataset.examples_key, Split.TEST, store=store):
        digest.update(repr((example.id, example.group, example.references)).encode())
    return digest.hexdigest()
