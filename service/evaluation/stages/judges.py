"""The stage of the judges: each is asked of all answers that it has not judged yet."""

from collections.abc import Callable, Iterator, Mapping
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
from service.evaluation.generation_schemas import RubricJudge
from service.evaluation.judges.rubric import judge_format, judge_prompt
from service.evaluation.plans.checks import check_family
from service.evaluation.plans.plan import Compared, EvaluationPlan, request_key
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.prompts import task_text
from service.evaluation.scoring.verbal import verbal_format, verbal_prompt
from service.evaluation.scoring.votes import Elected, majority
from service.evaluation.stages.requests import MissingRequests, example_chunks, send_missing
from service.inference.ports import GenerationRequest, Outcome, Turn
from service.jobs.ports import JobRun, Waiting

VERBAL, RUBRIC = judgements_by("verbal"), judgements_by("rubric")
_REPLY_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that is asked `turns` times of each answer, and where its replies are stored.

    `prompt` takes example, answer, the answer that it is compared with, and turn; `response_format`
    the turn. Without `compared` the other answer is the reference.
    """

    target: Target
    answers: AnswerTable
    turns: int
    prompt: Callable[[Example, str, str, int], str]
    response_format: Callable[[int], str]
    compared: Compared | None = None


def judges_of(plan: EvaluationPlan, *, catalogue: Catalogue) -> Iterator[Judge]:
    """Yield the judges that an evaluation asks; raises Invalid `judge_of_same_family`."""
    spec = plan.spec
    if spec.verbal is not None:
        target = judge_target(spec.verbal.model or plan.target.base_model, catalogue=catalogue)
        yield Judge(
            target, VERBAL, spec.verbal.repeats, partial(_verbal_prompt, plan), verbal_format
        )
    if spec.judge is not None:
        check_family(spec.judge, plan.target.base_model, catalogue=catalogue)
        yield Judge(
            judge_target(spec.judge.model, catalogue=catalogue),
            RUBRIC,
            spec.judge.repeats,
            partial(_rubric_prompt, plan, spec.judge),
            partial(judge_format, spec.judge),
            plan.compared,
        )


def _verbal_prompt(
    plan: EvaluationPlan, example: Example, answer: str, _other: str, turn: int
) -> str:
    return verbal_prompt(task_text(plan.instruction, example), answer, turn=turn)


def _rubric_prompt(
    plan: EvaluationPlan, judge: RubricJudge, example: Example, answer: str, other: str, turn: int
) -> str:
    return judge_prompt(
        judge,
        task_text(plan.instruction, example),
        answer,
        reference=example.references[0],
        other=other,
        turn=turn,
    )


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
            others = judge.compared.answers(session, ids) if judge.compared else None
        elected = [
            majority(samples[example.id], plan.reader, seed=plan.spec.seed) for example in chunk
        ]
        yield (
            len(chunk) * judge.turns,
            [
                _request(plan, judge, example, each, other, turn)
                for example, each in zip(chunk, elected, strict=True)
                for other in _other(example, others)
                if each.answer.outcome is Outcome.OK
                for turn in range(judge.turns)
                if (example.id, turn) not in stored
            ],
        )


def _other(example: Example, others: Mapping[str, str] | None) -> list[str]:
    """Return the answer to compare with; none where that evaluation has none to the example."""
    if others is None:
        return [example.references[0]]
    return [others[example.id]] if example.id in others else []


def _request(
    plan: EvaluationPlan, judge: Judge, example: Example, elected: Elected, other: str, turn: int
) -> GenerationRequest:
    target = judge.target
    return GenerationRequest(
        key=request_key(example.id, turn),
        target=target.name,
        base_model=target.base_model,
        location=target.location,
        contents=(Turn("user", judge.prompt(example, elected.answer.raw, other, turn)),),
        max_output_tokens=_REPLY_TOKENS,
        seed=(plan.spec.seed + turn) % 2**31,
        settings=replace(target.settings, response_format=judge.response_format(turn)),
    )
