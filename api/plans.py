"""What `dry_run` answers: what a job would create, without creating it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, Field

from service.database import Session, Sessions
from service.datasets.operations import DatasetView, ready_dataset
from service.datasets.schemas import PrepareSpec
from service.evaluation.schemas import EvaluateSpec
from service.experiments.planning import Variant, plan_variants
from service.experiments.schemas import ExperimentSpec
from service.jobs.operations import JobKinds, Request, reserve_ids, write_job
from service.jobs.ports import InputNotReady


class PlannedJob(BaseModel):
    """`label` tells the jobs of an experiment apart."""

    kind: str
    label: str


class Estimate(BaseModel):
    """Null where it is not known yet."""

    requests: int | None = Field(description="calls of the model, retries aside")
    training_tokens: int | None


class PlanWarning(BaseModel):
    code: str
    message: str


class Plan(BaseModel):
    """What a job would do; nothing has been created."""

    object: Literal["plan"] = "plan"
    kind: str
    would_create: list[PlannedJob]
    estimate: Estimate | None
    cost: None = None
    warnings: list[PlanWarning]


class _DryRun(Exception):  # noqa: N818  a signal that rolls the transaction back
    pass


_NO_PRICES = PlanWarning(code="cost_not_estimated", message="prices are not estimated yet")
_NO_SIZES = PlanWarning(
    code="dataset_not_ready",
    message="the dataset is still being made: its sizes, and so the variants, are not known yet",
)


def plan_of(request: Request, *, kinds: JobKinds, sessions: Sessions) -> Plan:
    """Return what a submission would create; raises what its reservation would raise."""
    kind = kinds[request.kind]
    with suppress(_DryRun), sessions.transaction() as session:
        write_job(session, reserve_ids(request, kind), kind=kind)
        raise _DryRun
    with sessions.reading() as session:
        return _planned(session, request)


def _planned(session: Session, request: Request) -> Plan:
    match request.spec:
        case ExperimentSpec() as spec:
            return _experiment(session, spec, request.project_id)
        case EvaluateSpec() as spec:
            dataset = _ready(session, spec.dataset, request.project_id)
            rows = int(dataset.splits[spec.split]["rows"]) if dataset else None
            estimate = Estimate(requests=rows, training_tokens=None)
        case PrepareSpec():
            estimate = Estimate(requests=0, training_tokens=0)
        case _:
            estimate = Estimate(requests=0, training_tokens=None)
    only = PlannedJob(kind=request.kind, label=request.kind)
    return Plan(kind=request.kind, would_create=[only], estimate=estimate, warnings=[_NO_PRICES])


def _experiment(session: Session, spec: ExperimentSpec, project_id: str) -> Plan:
    first = [PlannedJob(kind="experiment", label="experiment")]
    if spec.prepare is not None:
        variants = plan_variants(spec.prepare.train_sizes, shots=spec.shots)
        first.append(PlannedJob(kind="prepare", label="dataset"))
        return _with_children(first, variants, test_rows=spec.prepare.test_size)
    dataset = _ready(session, spec.dataset or "", project_id)
    if dataset is None:
        return Plan(
            kind="experiment", would_create=first, estimate=None, warnings=[_NO_SIZES, _NO_PRICES]
        )
    sizes = spec.train_sizes or sorted(map(int, dataset.training_files))
    variants = plan_variants(sizes, shots=spec.shots)
    return _with_children(first, variants, test_rows=int(dataset.splits["test"]["rows"]))


def _with_children(
    first: Sequence[PlannedJob], variants: Sequence[Variant], *, test_rows: int
) -> Plan:
    children = [
        PlannedJob(kind=kind, label=variant.name)
        for variant in variants
        for kind in (("evaluate",) if variant.train_size is None else ("tune", "evaluate"))
    ]
    return Plan(
        kind="experiment",
        would_create=[*first, *children],
        estimate=Estimate(requests=test_rows * len(variants), training_tokens=None),
        warnings=[_NO_PRICES],
    )


def _ready(session: Session, dataset_id: str, project_id: str) -> DatasetView | None:
    try:
        return ready_dataset(dataset_id, project_id=project_id, session=session)
    except InputNotReady:
        return None
