"""The search for the best prompt on validation rows, before the test rows are asked with it.

Each prompt of each round is an evaluation of its own below the one that waits for it, so a search
continues where it stopped, pays for what it asks, and leaves all it saw. Test rows take no part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from service.datasets.examples import Example, Split
from service.datasets.queries import DatasetView, stream_examples
from service.errors import Conflict, Fault, Invalid
from service.evaluation import repository
from service.evaluation.answer_repository import judgements_by, samples_of, stored_keys
from service.evaluation.generation_schemas import PromptSearch
from service.evaluation.plans.plan import EvaluationPlan, plan_evaluation, request_key
from service.evaluation.plans.validation_trials import first_scores, judge_of_trials, start_trials
from service.evaluation.ports import EvaluationServices
from service.evaluation.prompts import (
    Round,
    keep_best,
    plan_rounds,
    proposal_prompt,
    read_proposal,
)
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.evaluation.stages.judges import judge_target
from service.evaluation.stages.requests import MissingRequests, send_missing
from service.inference.ports import GenerationRequest, Outcome, Turn
from service.jobs.ports import JobRecord, JobRun, Waiting
from service.jobs.queries import children_of
from service.jobs.shards import await_shards, refuse_incomplete

_PROPOSALS, _PROPOSAL = judgements_by("proposer"), "instruction"
_SHOWN = 8  # training examples that the model that writes an instruction sees
_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that is tried: the instruction, and how many shots stand before the text."""

    instruction: str
    shots: int


def settle_prompt(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> EvaluateSpec | Waiting:
    """Return the spec with the prompt that the search has found; a second call finds none again.

    Returns Waiting while rounds are open. Raises Invalid `prompt_not_searchable` without validation
    rows or calls enough, the error of the first trial that failed, and what calls raise.
    """
    with services.sessions.reading() as session:
        row = repository.get(session, run.outputs["evaluation"], project_id=run.project_id)
    if row.prompt_search is None:
        found = _search(run, spec, services=services)
        if isinstance(found, Waiting):
            return found
        with run.fenced() as session:
            row = repository.get(session, run.outputs["evaluation"], project_id=run.project_id)
            row.prompt_search, row.shots = found, found["shots"]
    chosen = row.prompt_search or {}
    return spec.model_copy(update={"instruction": chosen["instruction"], "shots": chosen["shots"]})


def _search(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> dict[str, Any] | Waiting:
    search = spec.search or PromptSearch()
    plan = plan_evaluation(run, spec, services=services)
    if plan is None:
        raise Conflict("the evaluation is complete", code="evaluation_ended")
    waiting = _propose(run, plan, search, services=services)
    if waiting is not None:
        return waiting
    prompts = _prompts(plan, search, _proposed(plan, services=services))
    rounds = _rounds(plan.dataset, len(prompts), search)
    tried: list[dict[str, Any]] = []
    left = list(prompts)
    for number, each in enumerate(rounds):
        trials = _trials(run, number, services=services)
        if not trials:
            trials = _start(run, spec, left, each, number=number, services=services)
        waiting = await_shards(trials)
        if waiting is not None:
            return waiting
        refuse_incomplete(trials)
        with services.sessions.reading() as session:
            found, higher = first_scores(session, trials)
        scores = [each.value for each in found]
        tried += [
            {**_shown(prompt), "round": number, "rows": each.rows, "value": value,
             "evaluation": trial.outputs["evaluation"]}
            for prompt, value, trial in zip(left, scores, trials, strict=True)
        ]  # fmt: skip
        keep = rounds[number + 1].prompts if number + 1 < len(rounds) else 1
        left = [left[at] for at in keep_best(scores, keep=keep, higher_is_better=higher)]
    return {**_shown(left[0]), "tried": tried}


def _shown(prompt: Prompt) -> dict[str, Any]:
    return {"instruction": prompt.instruction, "shots": prompt.shots}


def _prompts(plan: EvaluationPlan, search: PromptSearch, proposed: Sequence[str]) -> list[Prompt]:
    """Return what is tried: the dataset's own instruction first, each with each number of shots."""
    instructions = dict.fromkeys([plan.instruction, *search.instructions, *proposed])
    return [Prompt(each, shots) for each in instructions for shots in dict.fromkeys(search.shots)]


def _rounds(dataset: DatasetView, prompts: int, search: PromptSearch) -> Sequence[Round]:
    rows = int((dataset.splits.get(Split.VALIDATION.value) or {}).get("rows") or 0)
    if prompts == 1:
        return ()
    rounds = plan_rounds(prompts, rows=rows, calls=search.calls - search.proposals)
    if not rounds:
        code = "prompt_not_searchable"
        message = (
            f"{dataset.id} has no validation rows, by which prompts are chosen"
            if not rows
            else f"{search.calls} calls are too few for {prompts} prompts; raise `calls`"
        )
        raise Invalid(message, code=code, faults=[Fault("/spec/search", code, message)])
    return rounds


def _trials(run: JobRun, number: int, *, services: EvaluationServices) -> Sequence[JobRecord]:
    found = children_of(run.id, sessions=services.sessions)
    return [child for child in found if child.labels.get("round") == str(number)]


def _start(
    run: JobRun,
    spec: EvaluateSpec,
    prompts: Sequence[Prompt],
    asked: Round,
    *,
    number: int,
    services: EvaluationServices,
) -> Sequence[JobRecord]:
    trials = (
        EvaluateSpec.model_validate(
            spec.model_dump()
            | {
                "variant": VariantKind.FEW_SHOT if prompt.shots else VariantKind.ZERO_SHOT,
                "search": None,
                "verbal": None,
                **judge_of_trials(spec),
                "logprobs": False,
                "vertex_metrics": (),
                "split": "validation",
                "first_row": 0,
                "last_row": asked.rows,
                **_shown(prompt),
            }
        )
        for prompt in prompts
    )
    labels = {**run.labels, "round": str(number)}
    return start_trials(run, trials, labels=labels, services=services)


# ------------------------------------------------------------ instructions that a model writes


def _propose(
    run: JobRun, plan: EvaluationPlan, search: PromptSearch, *, services: EvaluationServices
) -> Waiting | None:
    """Have a model write instructions, each from training examples of its own."""
    if not search.proposals:
        return None
    catalogue = services.calls.catalogue
    target = judge_target(search.proposer or plan.target.base_model, catalogue=catalogue)
    price = catalogue.price_of_calls(target.base_model, location=target.location, tuned=False)
    missing = MissingRequests(
        total=search.proposals,
        chunks=partial(_requests, replace(plan, target=target), search, services=services),
        stage="proposing",
    )
    proposing = replace(plan, target=target, price=price)
    return send_missing(run, proposing, missing, services=services, answers=_PROPOSALS)


def _requests(
    plan: EvaluationPlan, search: PromptSearch, *, services: EvaluationServices, size: int
) -> Iterator[tuple[int, list[GenerationRequest]]]:
    train = stream_examples(plan.dataset.examples_key, Split.TRAIN, store=services.store)
    shown = list(islice(train, min(size, search.proposals * _SHOWN)))
    with services.sessions.reading() as session:
        stored = stored_keys(session, plan.evaluation_id, [_PROPOSAL], answers=_PROPOSALS)
    target = plan.target
    yield (
        search.proposals,
        [
            GenerationRequest(
                key=request_key(_PROPOSAL, number),
                target=target.name,
                base_model=target.base_model,
                location=target.location,
                contents=(_asked(plan.instruction, shown[number :: search.proposals]),),
                temperature=1.0,
                max_output_tokens=_TOKENS,
                seed=(plan.spec.seed + number) % 2**31,
                settings=target.settings,
            )
            for number in range(search.proposals)
            if (_PROPOSAL, number) not in stored
        ],
    )


def _asked(instruction: str, examples: Sequence[Example]) -> Turn:
    return Turn("user", proposal_prompt(instruction, examples))


def _proposed(plan: EvaluationPlan, *, services: EvaluationServices) -> list[str]:
    with services.sessions.reading() as session:
        found = samples_of(session, plan.evaluation_id, [_PROPOSAL], answers=_PROPOSALS)
    texts = [each.text for each in found.get(_PROPOSAL, ()) if each.outcome == Outcome.OK]
    return [text for text in map(read_proposal, texts) if text]
