"""What `dry_run` answers: what a job would create and cost, without creating it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from service.database import Session, Sessions
from service.errors import Conflict, Fault, Invalid
from service.experiments.queries import given_dataset
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import FINAL, Variant, training_sets, variants_of
from service.jobs.operations import Request, reserve_ids, write_job
from service.jobs.ports import Estimate, InputNotReady, JobKinds
from service.money import (
    CURRENCY,
    at_least,
    at_most,
    dollar_words,
    dollars,
    dollars_or_none,
    parse_dollars,
)

_DIGEST_LENGTH = 16
PLAN_HASH_PATTERN = r"^[0-9a-f]{48}$"


class PlannedJob(BaseModel):
    """`label` distinguishes the jobs of an experiment."""

    kind: str
    label: str


class PlannedUse(BaseModel):
    """Null where it is not known yet; tokens are estimated from the lengths of the texts."""

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


class PlannedHours(BaseModel):
    """How long tunings take at the provider, by what little is reported of it; no promise."""

    low: float = Field(description="all at once")
    high: float = Field(description="one after another")


class PlannedVariant(BaseModel):
    """What one variant of an experiment costs: its tuning, where it is the first with it, and
    its calls.
    """

    name: str
    cost: PlannedCost | None = Field(description="null where it is not known")
    hours: PlannedHours | None = Field(description="null where nothing is tuned at a provider")


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
    hours: PlannedHours | None = Field(
        description="null where nothing is tuned at a provider, or not known yet"
    )
    variants: list[PlannedVariant] = Field(
        description="of an experiment; empty until its dataset is known"
    )
    known: str = Field(description="decimal string: the part of the cost that is known")
    unpriced: list[str] = Field(description="base models that no price is known for")
    synthetic: bool = Field(description="for the emulator, which bills nothing")
    warnings: list[PlanWarning]
    hash: str = Field(
        description="of what is asked, the jobs and the cost: `plan` of a submission that is to be "
        "refused where any of it has changed"
    )


class _DryRun(Exception):  # noqa: N818  a signal that rolls the transaction back
    pass


FromSource = Callable[[ExperimentSpec, str], Estimate | None]


def _nothing(_spec: ExperimentSpec, _project_id: str) -> None:
    """Return no estimate of the source."""


def plan_of(
    request: Request, *, kinds: JobKinds, sessions: Sessions, from_source: FromSource = _nothing
) -> Plan:
    """Return what a submission would create; raises what the submission would raise.

    `from_source` estimates an experiment of a project whose dataset is still to be made.
    """
    kind, estimate, synthetic = kinds[request.kind], Estimate(), False
    with suppress(_DryRun), sessions.transaction() as session:
        submission = reserve_ids(request, kind)
        job, estimate = write_job(session, submission, kind=kind)
        synthetic = bool(job.cost["synthetic"])
        raise _DryRun
    if isinstance(request.spec, ExperimentSpec) and estimate.cost_nano is None:
        estimate = _known_sooner(from_source(request.spec, request.project_id), estimate)
    with sessions.reading() as session:
        jobs = list(_jobs(session, request))
    return _plan(request, jobs, estimate, synthetic=synthetic)


def _known_sooner(found: Estimate | None, early: Estimate) -> Estimate:
    """Return the estimate from the source; where there is none, what was known, with its notes."""
    if found is None or found.requests is not None:
        return found or early
    return replace(early, notes=(*found.notes, *early.notes))


def _plan(request: Request, jobs: list[PlannedJob], estimate: Estimate, *, synthetic: bool) -> Plan:
    variants = [
        PlannedVariant(name=name, cost=_cost(part), hours=_hours(part))
        for name, part in estimate.parts
    ]
    plan = Plan(
        kind=request.kind,
        would_create=jobs,
        estimate=PlannedUse(
            requests=estimate.requests,
            prompt_tokens=estimate.prompt_tokens,
            output_tokens=estimate.output_tokens,
            training_tokens=estimate.training_tokens,
        ),
        cost=_cost(estimate),
        hours=_hours(estimate),
        variants=variants,
        known=dollars(estimate.known_nano),
        unpriced=list(estimate.unpriced),
        synthetic=synthetic,
        warnings=list(_warnings(request, estimate)),
        hash="",
    )
    return plan.model_copy(update={"hash": _hash(request, plan)})


def _hours(estimate: Estimate) -> PlannedHours | None:
    if estimate.hours is None:
        return None
    low, high = estimate.hours
    return PlannedHours(low=round(low, 2), high=round(high, 2))


def _hash(request: Request, plan: Plan) -> str:
    """Return digests of what is asked, of the jobs and of the cost, one behind the other."""
    money = {"cost", "hours", "variants", "known", "unpriced"}
    parts: tuple[object, ...] = (
        [request.kind, request.spec.model_dump(mode="json")],
        [job.model_dump() for job in plan.would_create],
        plan.model_dump(mode="json", include=money),
    )
    digests = (hashlib.sha256(json.dumps(part, sort_keys=True).encode()) for part in parts)
    return "".join(digest.hexdigest()[:_DIGEST_LENGTH] for digest in digests)


def require_plan(plan: Plan, *, given: str | None, max_nano: int | None) -> None:
    """Raise Conflict `plan_changed` where the hash `given` is not the plan's, and says what
    differs; Invalid `plan_too_expensive` where it may cost more than `max_nano`.
    """
    if given is not None and given != plan.hash:
        starts = range(0, len(plan.hash), _DIGEST_LENGTH)
        changed = " and ".join(
            words
            for start, words in zip(starts, _stated(plan), strict=True)
            if given[start:][:_DIGEST_LENGTH] != plan.hash[start:][:_DIGEST_LENGTH]
        )
        message = f"the plan has changed: {changed}; look at a new dry run and send its hash"
        raise Conflict(message, code="plan_changed", faults=[Fault("/plan", "changed", message)])
    most = parse_dollars(plan.cost.high or plan.cost.amount) if plan.cost else None
    if max_nano is not None and most is not None and most > max_nano:
        message = (
            f"the plan may cost {at_most(most)} USD, more than the {dollars(max_nano)} USD of "
            "`max_cost`: raise it, or make the plan smaller"
        )
        fault = Fault("/max_cost", "plan_too_expensive", message)
        raise Invalid(message, code="plan_too_expensive", faults=[fault])


def _stated(plan: Plan) -> tuple[str, str, str]:
    """Return each part of a plan as it stands now, in the order of its hash."""
    cost = "unknown"
    if plan.cost:
        low, high = plan.cost.low or plan.cost.amount, plan.cost.high or plan.cost.amount
        cost = f"{at_least(parse_dollars(low))} to {at_most(parse_dollars(high))} USD"
    return (
        "what is asked differs from what was planned",
        f"it creates other jobs (now {len(plan.would_create)})",
        f"cost or hours have changed (now {cost})",
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
        part = dollar_words(estimate.known_nano)
        message = f"what it will cost is not known yet; the part that is known costs {part} USD"
        yield PlanWarning(code="cost_not_estimated", message=message)
        return
    most = estimate.high_nano or estimate.cost_nano
    if request.budget_nano is not None and most > request.budget_nano:
        message = (
            f"it may cost {at_most(most)} USD, more than the budget of "
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
        variants = variants_of(spec, given_dataset(session, spec, project_id))
        for each in training_sets(variants):
            yield PlannedJob(kind="prepare", label=each.label)
        yield from _of_variants(variants)
    if spec.final:
        yield PlannedJob(kind="tune", label=FINAL)


def _of_variants(variants: Sequence[Variant]) -> Iterable[PlannedJob]:
    tuned = set()
    for variant in variants:
        if variant.tuning is not None and variant.tuning not in tuned:
            tuned.add(variant.tuning)
            yield PlannedJob(kind="tune", label=variant.name)
        yield PlannedJob(kind="evaluate", label=variant.name)
