"""One call outside jobs: planned, sent under the quota, entered in the ledger, presented."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import UNKNOWN, check_base_model, check_location
from service.catalogue.prices import CallPrice
from service.database import Session, Sessions
from service.datasets.examples import Example
from service.datasets.queries import ready_dataset
from service.errors import Conflict, Fault, Invalid, NotFound, ProviderFailed
from service.evaluation.generation_schemas import Thinking
from service.evaluation.plans.checks import CANNOT, GREEDY
from service.evaluation.ports import CallConfig, FindModel, Target
from service.evaluation.prompts import conversation
from service.generation.schemas import GeneratedText, GenerateRequest
from service.generation.stream import StreamedCall
from service.ids import Prefix
from service.inference.ledger import cached_tokens_of, cost_of_result, thinking_tokens_of
from service.inference.operations import start_generation
from service.inference.ports import (
    Flow,
    GenerationRequest,
    GenerationResult,
    Governor,
    Outcome,
    StreamingGenerator,
    Turn,
)
from service.inference.project_limits import ProjectBudgetGuard
from service.jobs.ports import InputNotReady
from service.model_registry.queries import resolve
from service.money import dollars_or_none
from service.projects.schemas import ProjectLimits

POINTER = "/model"
_FLOW = "generate"  # all single calls of a project are one flow, beside its jobs


@dataclass(frozen=True, slots=True)
class GenerationServices:
    """What single calls work with; `generator` streams for a project, by its id, and relays calls
    of local models.
    """

    sessions: Sessions
    find_model: FindModel
    calls: CallConfig
    generator: Callable[[Target, str], StreamingGenerator]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that may be sent: to which target, for whom, through what, at which price (None: not
    known).
    """

    model: str
    project_id: str
    target: Target
    request: GenerationRequest
    generator: StreamingGenerator
    governor: Governor
    price: CallPrice | None
    unlisted_model: bool


def plan_call(
    model: str, wanted: GenerateRequest, *, project_id: str, services: GenerationServices
) -> PlannedCall:
    """Return the call; `model` is the id of a tuned model, an alias, or the name of a base model.

    Raises NotFound `model_not_found` or `dataset_not_found`, Conflict `not_ready`, and Invalid for
    a base model that is retired or does not answer where it would be called.
    """
    catalogue = services.calls.catalogue
    with services.sessions.reading() as session:
        model = resolve(session, model, project_id=project_id)
        try:
            target, unlisted = _target(session, model, wanted, project_id, services)
            turns = _turns(session, wanted, project_id, target=target)
        except InputNotReady as error:
            raise Conflict(f"{error}: it is still being made", code="not_ready") from error
    if target.is_local and wanted.temperature > 0:
        faults = [Fault("/temperature", CANNOT, GREEDY)]
        raise Invalid(GREEDY, code=CANNOT, faults=faults)
    if wanted.thinking is not Thinking.LEAST:
        target = replace(target, settings=replace(target.settings, thinking=()))
    request = GenerationRequest(
        key=_FLOW,
        target=target.name,
        base_model=target.base_model,
        location=target.location,
        contents=turns,
        system=wanted.system,
        temperature=wanted.temperature,
        max_output_tokens=wanted.max_output_tokens,
        seed=wanted.seed,
        settings=target.settings,
    )
    price = catalogue.price_of_calls(
        target.base_model, location=target.location, tuned=target.tuned
    )
    return PlannedCall(
        model,
        project_id,
        target,
        request,
        services.generator(target, project_id),
        services.calls.governor(target, project_id),
        price,
        unlisted,
    )


def _target(
    session: Session,
    model: str,
    wanted: GenerateRequest,
    project_id: str,
    services: GenerationServices,
) -> tuple[Target, bool]:
    """Return what is called, and whether only `allow_unlisted_model` lets it through."""
    catalogue = services.calls.catalogue
    if model.startswith(f"{Prefix.MODEL}_"):
        tuned = services.find_model(model, project_id=project_id, session=session)
        settings = catalogue.entry(tuned.base_model).call_settings
        found = Target(
            tuned.endpoint,
            tuned.base_model,
            tuned.location,
            tuned=True,
            settings=settings,
            is_classifier=tuned.is_classifier,
        )
        return found, False
    unlisted = _check_base_model(catalogue, model, allow_unlisted=wanted.allow_unlisted_model)
    location = catalogue.serving_location(model)
    return Target(model, model, location, settings=catalogue.entry(model).call_settings), unlisted


def _check_base_model(catalogue: Catalogue, model: str, *, allow_unlisted: bool) -> bool:
    try:
        unlisted = check_base_model(
            catalogue, model, allow_unlisted=allow_unlisted, pointer=POINTER
        )
    except Invalid as error:
        if error.code == UNKNOWN:
            raise NotFound(error.message, code="model_not_found") from error
        raise
    if not unlisted:
        check_location(catalogue, model)
    return unlisted


def _turns(
    session: Session, wanted: GenerateRequest, project_id: str, *, target: Target
) -> tuple[Turn, ...]:
    if wanted.dataset is None:
        return (Turn("user", wanted.text),)
    dataset = ready_dataset(wanted.dataset, project_id=project_id, session=session)
    example = Example("", wanted.text, target="", references=(), group="", row=0)
    return conversation("" if target.is_classifier else dataset.instruction, example)


def start_call(
    call: PlannedCall,
    *,
    limits: ProjectLimits,
    services: GenerationServices,
    emit: Callable[[str], None] | None = None,
) -> Future[GenerationResult]:
    """Send a call without holding a thread; `emit` gets the text while it comes.

    The future raises what `generate_all` does, and Forbidden `project_limit_reached`.
    """
    calls, generator = services.calls, call.generator
    budget_guard = ProjectBudgetGuard(
        call.project_id,
        limits,
        base_model=call.target.base_model,
        price=call.price,
        synthetic=calls.catalogue.places.emulated,
        sessions=services.sessions,
    )
    return start_generation(
        call.request,
        generator=generator if emit is None else StreamedCall(generator, emit=emit),
        governor=call.governor,
        flow=Flow(call.project_id, _FLOW),
        limits=replace(calls.limits(call.target), in_flight=1, hedging=False),
        budget_guard=budget_guard,
    )


def present_call(call: PlannedCall, result: GenerationResult) -> GeneratedText:
    """Return a result as HTTP shows it; raises ProviderFailed where there is no answer."""
    answer = result.generation
    if answer.outcome is Outcome.FAILED:
        message = f"no answer after {result.attempts} attempts: {answer.error}"
        raise ProviderFailed(message, code="generation_failed")
    return GeneratedText(
        model=call.model,
        base_model=call.target.base_model,
        target=call.target.name,
        location=call.target.location,
        text=answer.text,
        outcome=answer.outcome,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
        thinking_tokens=thinking_tokens_of(answer),
        cached_tokens=cached_tokens_of(answer),
        uncounted=answer.uncounted,
        cost=dollars_or_none(cost_of_result(result, call.price)),
        attempts=result.attempts,
        latency_ms=result.latency_ms,
        synthetic=answer.synthetic,
        unlisted_model=call.unlisted_model,
    )
