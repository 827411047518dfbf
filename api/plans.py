"""What `dry_run` answers: what a job would create and cost, without creating it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from service.database import Session, Sessions
from service.experiments.queries import given_dataset
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import Variant, variants_of
from service.jobs.operations import Request, reserve_ids, write_job
from service.jobs.ports import Estimate, InputNotReady, JobKinds
from service.money import CURRENCY, dollars, dollars_or_none


class PlannedJob(BaseModel):
    """`label` tells the jobs of an experiment apart."""

    kind: str
    label: str


class PlannedUse(BaseModel):
    """Null where it is not known yet; tokens are told from the lengths of the texts."""

    requests: int | None = Field(description="calls of the model, retries aside")
    prompt_tokens: int | None
    output_tokens: int | None
    training_tokens: int | None = Field(description="once for each epoch")


class PlannedCost(BaseModel):
    """By the price catalogue; a budget should leave room above it."""

    amount: str = Field(description="decimal string: what is expected")
    low: str | None = Field(description="decimal string: the least that is likely; null: unknown")
    high: str | None = Field(
        description="decimal string: the most that is likely, which a budget should hold"
    )
    currency: Literal["USD"] = CURRENCY


class PlanWarning(BaseModel):
    code: str
    message: str


class Plan(BaseModel):
    """What a job would do; nothing has been created."""

    object: Literal["plan"] = "plan"
    kind: str
    would_create: list[PlannedJob]
    estimate: PlannedUse
    cost: PlannedCost | None = Field(description="null where it is not known; a warning says why")
    known: str = Field(description="decimal string: the part of the cost that is known")
    unpriced: list[str] = Field(description="base models that no price is known for")
    synthetic: bool = Field(description="for the emulator, which bills nobody")
    warnings: list[PlanWarning]


class _DryRun(Exception):  # noqa: N818  a signal that rolls the transaction back
    pass


FromSource = Callable[[ExperimentSpec, str], Estimate | None]


def _nothing(_spec: ExperimentSpec, _project_id: str) -> None:
    """Tell nothing of the source."""


def plan_of(
    request: Request, *, kinds: JobKinds, sessions: Sessions, from_source: FromSource = _nothing
) -> Plan:
    """Return what a submission would create; raises what the submission would raise.

    `from_source` estimates an experiment of a project whose dataset is still to be made.
    """
    kind, estimate = kinds[request.kind], Estimate()
    with suppress(_DryRun), sessions.transaction() as session:
        submission = reserve_ids(request, kind)
        _, estimate = write_job(session, submission, kind=kind)
        raise _DryRun
    if isinstance(request.spec, ExperimentSpec) and estimate.cost_nano is None:
        estimate = _known_sooner(from_source(request.spec, request.project_id), estimate)
    with sessions.reading() as session:
        jobs = list(_jobs(session, request))
    return _plan(request, jobs, estimate, synthetic=kind.synthetic)


def _known_sooner(found: Estimate | None, early: Estimate) -> Estimate:
    """Return what the source tells; where that is nothing, what was known, with its notes."""
    if found is None or found.requests is not None:
        return found or early
    return replace(early, notes=(*found.notes, *early.notes))


def _plan(request: Request, jobs: list[PlannedJob], estimate: Estimate, *, synthetic: bool) -> Plan:
    return Plan(
        kind=request.kind,
        would_create=jobs,
        estimate=PlannedUse(
            requests=estimate.requests,
            prompt_tokens=estimate.prompt_tokens,
            output_tokens=estimate.output_tokens,
            training_tokens=estimate.training_tokens,
        ),
        cost=_cost(estimate),
        known=dollars(estimate.known_nano),
        unpriced=list(estimate.unpriced),
        synthetic=synthetic,
        warnings=list(_warnings(request, estimate)),
    )


def _cost(estimate: Estimate) -> PlannedCost | None:
    if estimate.cost_nano is None:
        return None
    return PlannedCost(
        amount=dollars(estimate.cost_nano),
        low=dollars_or_none(estimate.low_nano),
        high=dollars_or_none(estimate.high_nano),
    )


def _warnings(request: Request, estimate: Estimate) -> Iterable[PlanWarning]:
    for code, message in estimate.notes:
        yield PlanWarning(code=code, message=message)
    if estimate.cost_nano is None:
        part = dollars(estimate.known_nano)
        message = f"what it will cost is not known yet; the part that is known costs {part} USD"
        yield PlanWarning(code="cost_not_estimated", message=message)
        return
    most = estimate.high_nano or estimate.cost_nano
    if request.budget_nano is not None and most > request.budget_nano:
        message = (
            f"it may cost {dollars(most)} USD, more than the budget of "
            f"{dollars(request.budget_nano)} USD: it might not come to its end"
        )
        yield PlanWarning(code="budget_below_estimate", message=message)


def _jobs(session: Session, request: Request) -> Iterable[PlannedJob]:
    match request.spec:
        case ExperimentSpec() as spec:
            yield from _of_experiment(session, spec, request.project_id)
        case _:
            yield PlannedJob(kind=request.kind, label=request.kind)


def _of_experiment(session: Session, spec: ExperimentSpec, project_id: str) -> Iterable[PlannedJob]:
    yield PlannedJob(kind="experiment", label="experiment")
    if spec.prepare is not None:
        yield PlannedJob(kind="prepare", label="dataset")
    with suppress(InputNotReady):  # its train sizes are not known yet
        yield from _of_variants(variants_of(spec, given_dataset(session, spec, project_id)))


def _of_variants(variants: Sequence[Variant]) -> Iterable[PlannedJob]:
    for variant in variants:
        if variant.train_size is not None:
            yield PlannedJob(kind="tune", label=variant.name)
        yield PlannedJob(kind="evaluate", label=variant.name)
