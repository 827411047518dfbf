"""The stage of the judges: each is asked of all answers that it has not judged yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from service.catalogue.catalogue import Catalogue
from service.datasets.examples import Example
from service.evaluation.answer_repository import (
    AnswerTable,
    judgements_by,
    samples_of,
    stored_keys,
)
from service.evaluation.plans.plan import EvaluationPlan, request_key
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.prompting.prompts import task_text
from service.evaluation.scoring.verbal import verbal_format, verbal_prompt
from service.evaluation.scoring.votes import Elected, majority
from service.evaluation.stages.requests import MissingRequests, example_chunks, send_missing
from service.inference.ports import GenerationRequest, Outcome, Turn
from service.jobs.ports import JobRun, Waiting

VERBAL = judgements_by("verbal")
_REPLY_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that is asked `turns` times of each answer, and where its replies are stored.

    `prompt` takes example, elected answer and turn; `response_format` the turn.
    """

    target: Target
    answers: AnswerTable
    turns: int
    prompt: Callable[[Example, Elected, int], str]
    response_format: Callable[[int], str]


def judges_of(plan: EvaluationPlan, *, catalogue: Catalogue) -> list[Judge]:
    """Return the judges that an evaluation asks."""
    spec = plan.spec
    if spec.verbal is None:
        return []

    def prompt(example: Example, elected: Elected, turn: int) -> str:
        task = task_text(plan.instruction, example)
        return verbal_prompt(task, elected.answer.raw, turn=turn)

    name = spec.verbal.model or plan.target.base_model
    target = judge_target(name, catalogue=catalogue)
    return [Judge(target, VERBAL, spec.verbal.repeats, prompt, verbal_format)]


def judge_target(base_model: str, *, catalogue: Catalogue) -> Target:
    """Return the base model that judges, called where it is served."""
    location = catalogue.serving_location(base_model)
    settings = catalogue.entry(base_model).call_settings
    return Target(base_model, base_model, location, settings=settings)


def run_judges(
    run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices
) -> Waiting | None:
    """Have all answers judged, by one judge after the other."""
    for judge in judges_of(plan, catalogue=services.calls.catalogue):
        waiting = ask_judge(run, plan, judge, services=services)
        if waiting is not None:
            return waiting
    return None


def ask_judge(
    run: JobRun, plan: EvaluationPlan, judge: Judge, *, services: EvaluationServices
) -> Waiting | None:
    """Ask a judge of all answers that it has not judged; returns and raises what `send_missing`
    does. A second call sends nothing again.
    """
    price = services.calls.catalogue.price_of_calls(
        judge.target.base_model, location=judge.target.location, tuned=False
    )
    missing = MissingRequests(
        total=plan.rows * judge.turns,
        chunks=partial(_missing, plan, judge, services=services),
        stage="judging",
    )
    judged = replace(plan, target=judge.target, price=price)
    return send_missing(run, judged, missing, services=services, answers=judge.answers)


def _missing(
    plan: EvaluationPlan, judge: Judge, *, services: EvaluationServices, size: int
) -> Iterator[tuple[int, list[GenerationRequest]]]:
    """Yield of each chunk of rows how many requests it has, and those that are not stored."""
    size = max(1, size // judge.turns)
    for chunk in example_chunks(plan, range(plan.rows), services=services, size=size):
        ids = [example.id for example in chunk]
        with services.sessions.reading() as session:
            samples = samples_of(session, plan.evaluation_id, ids)
            stored = stored_keys(session, plan.evaluation_id, ids, answers=judge.answers)
        elected = [
            majority(samples[example.id], plan.reader, seed=plan.spec.seed) for example in chunk
        ]
        yield (
            len(chunk) * judge.turns,
            [
                _request(plan, judge, example, each, turn)
                for example, each in zip(chunk, elected, strict=True)
                if each.answer.outcome is Outcome.OK
                for turn in range(judge.turns)
                if (example.id, turn) not in stored
            ],
        )


def _request(
    plan: EvaluationPlan, judge: Judge, example: Example, elected: Elected, turn: int
) -> GenerationRequest:
    target = judge.target
    return GenerationRequest(
        key=request_key(example.id, turn),
        target=target.name,
        base_model=target.base_model,
        location=target.location,
        contents=(Turn("user", judge.prompt(example, elected, turn)),),
        max_output_tokens=_REPLY_TOKENS,
        seed=(plan.spec.seed + turn) % 2**31,
        settings=replace(target.settings, response_format=judge.response_format(turn)),
    )
