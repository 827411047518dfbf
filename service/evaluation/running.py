"""One run of an `evaluate` job: ask for what is missing, store it as it comes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets.examples import Example, Split
from service.datasets.operations import DatasetView, read_examples, ready_dataset
from service.errors import Unavailable
from service.evaluation import repository
from service.evaluation.answers import Answers
from service.evaluation.completing import complete
from service.evaluation.models import Evaluation
from service.evaluation.ports import FindModel
from service.evaluation.prompts import VariantKind, choose_shots, conversation
from service.evaluation.reading import require_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.inference.operations import (
    Answered,
    CallLimits,
    generate_all,
    record_usage,
)
from service.inference.ports import GenerationRequest, Generator, Governor
from service.inference.retry import QuotaExhausted
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobRun, Waiting
from service.storage.ports import ObjectStore

AWAY_SECONDS = 5.0  # pause after an evaluation has got on and then lost its provider


@dataclass(frozen=True, slots=True)
class Target:
    """What the requests of an evaluation go to."""

    name: str
    base_model: str
    location: str


@dataclass(frozen=True, slots=True)
class Calling:
    """How calls are made: the adapter, the pace of a target, and the limits of one process."""

    generator: Callable[[], Generator]
    governor: Callable[[Target], Governor]
    limits: CallLimits
    location: str


def run_evaluate(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    find_model: FindModel,
) -> Waiting | None:
    """Answer the rows that have no outcome yet, then score; a second run asks nothing again."""
    spec = EvaluateSpec.model_validate(run.spec)
    evaluation_id = run.outputs["evaluation"]
    with sessions.reading() as session:
        row = require_evaluation(session, evaluation_id, run.project_id)
        if row.ready_at is not None:
            return None
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        target = _target(session, spec, row, run, find_model, location=calling.location)
        answered = repository.answered_ids(session, evaluation_id)
    examples = read_examples(dataset.examples_key, Split(spec.split), store=store)
    shots = _shots(spec, dataset, store)
    missing = [example for example in examples if example.id not in answered]
    try:
        waiting = _ask(
            run, spec, dataset, target, missing, shots=shots, calling=calling, done=len(answered)
        )
    except QuotaExhausted as error:
        return Waiting(Reason.QUOTA, seconds=error.resume_seconds)
    if waiting:
        return waiting
    complete(run, spec, dataset, examples, sessions=sessions, store=store)
    return None


def _target(
    session: Session,
    spec: EvaluateSpec,
    row: Evaluation,
    run: JobRun,
    find_model: FindModel,
    *,
    location: str,
) -> Target:
    if spec.model is None:
        return Target(name=row.base_model, base_model=row.base_model, location=location)
    model = find_model(spec.model, project_id=run.project_id, session=session)
    return Target(name=model.endpoint, base_model=model.base_model, location=model.location)


def _shots(spec: EvaluateSpec, dataset: DatasetView, store: ObjectStore) -> tuple[Example, ...]:
    if spec.variant is not VariantKind.FEW_SHOT:
        return ()
    train = read_examples(dataset.examples_key, Split.TRAIN, store=store)
    return choose_shots(train, spec.shots, seed=spec.seed)


def _ask(
    run: JobRun,
    spec: EvaluateSpec,
    dataset: DatasetView,
    target: Target,
    missing: Sequence[Example],
    *,
    shots: Sequence[Example],
    calling: Calling,
    done: int,
) -> Waiting | None:
    """Ask for the missing rows; return Waiting when the provider went away in the middle."""
    if not missing:
        return None
    total = done + len(missing)

    def store(batch: Sequence[Answered]) -> None:
        _store_answers(run, target, batch)
        run.report(done + answers.stored + len(batch), total, unit="items", stage="asking")

    def check() -> None:
        run.check()
        answers.check()

    answers = Answers(store)
    try:
        generate_all(
            _requests(missing, spec, dataset, target, shots=shots),
            generator=calling.generator(),
            governor=calling.governor(target),
            limits=calling.limits,
            store=answers.take,
            check=check,
        )
        answers.close()
    except Unavailable:
        if not answers.stored:
            raise  # an attempt without progress: the job's attempts bound them
        return Waiting(Reason.RETRY, seconds=AWAY_SECONDS)
    return None


def _requests(
    examples: Sequence[Example],
    spec: EvaluateSpec,
    dataset: DatasetView,
    target: Target,
    *,
    shots: Sequence[Example],
) -> Iterator[GenerationRequest]:
    for example in examples:
        yield GenerationRequest(
            key=example.id,
            target=target.name,
            base_model=target.base_model,
            location=target.location,
            contents=conversation(dataset.instruction, example.text, shots=shots),
            temperature=spec.temperature,
            max_output_tokens=spec.max_output_tokens,
            seed=spec.seed,
        )


def _store_answers(run: JobRun, target: Target, batch: Sequence[Answered]) -> None:
    """Write answers and their usage together, while the lease is ours."""
    now = utc_now()
    rows: list[dict[str, Any]] = [
        {
            "evaluation_id": run.outputs["evaluation"],
            "example_id": answer.key,
            "sample": 0,
            "outcome": answer.generation.outcome.value,
            "text": answer.generation.text,
            "finish_reason": answer.generation.finish_reason[:50],
            "error": answer.generation.error[:500],
            "prompt_tokens": answer.generation.prompt_tokens,
            "output_tokens": answer.generation.output_tokens,
            "usage": dict(answer.generation.usage),
            "synthetic": answer.generation.synthetic,
            "created_at": now,
        }
        for answer in batch
    ]
    with run.fenced() as session:
        repository.insert_predictions(session, rows)
        record_usage(
            session,
            project_id=run.project_id,
            job_id=run.id,
            base_model=target.base_model,
            requests=len(batch),
            prompt_tokens=sum(answer.generation.prompt_tokens for answer in batch),
            output_tokens=sum(answer.generation.output_tokens for answer in batch),
        )
