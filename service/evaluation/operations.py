"""Evaluations: ask what is missing, keep every answer, score once all rows have an outcome."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets.examples import Example, Split
from service.datasets.operations import DatasetView, read_examples, ready_dataset
from service.errors import Conflict, Fault, NotFound, Unavailable
from service.evaluation import repository
from service.evaluation.answers import Answers
from service.evaluation.metrics.registry import METRICS
from service.evaluation.models import Evaluation, Prediction, ScoreRow
from service.evaluation.ports import FindModel
from service.evaluation.prompts import VariantKind, choose_shots, conversation
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.scoring import Score, Scored, score
from service.ids import Prefix
from service.inference.operations import (
    Answered,
    CallLimits,
    generate_all,
    record_usage,
)
from service.inference.ports import GenerationRequest, Generator, Governor, Outcome
from service.inference.retry import QuotaExhausted
from service.jobs.lifecycle import Reason
from service.jobs.ports import InputNotReady, JobKind, JobRun, Submission, Waiting
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, write_parquet
from service.task_queue import Queue

AWAY_SECONDS = 5.0  # pause after an evaluation has got on and then lost its provider

TABLE = TableSchema(
    columns={
        "evaluation_id": "string",
        "position": "int64",
        "example_id": "string",
        "outcome": "string",
        "prediction": "string",
        "references": "strings",
        "finish_reason": "string",
        "error": "string",
        "prompt_tokens": "int64",
        "output_tokens": "int64",
        "synthetic": "bool",
        "answered_at": "timestamp",
    }
)


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


# -------------------------------------------------------------------------------- submission


def reserve_evaluation(session: Session, submission: Submission, *, base_model: str) -> None:
    """Write the evaluation's row; raises Invalid for an unknown metric, NotFound for inputs."""
    spec = EvaluateSpec.model_validate(submission.spec.model_dump())
    for position, name in enumerate(spec.metrics):
        METRICS.find(name, pointer=f"/spec/metrics/{position}")
    _require_dataset(session, spec.dataset, submission.project_id)
    repository.add(
        session,
        Evaluation(
            id=submission.outputs["evaluation"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            model_id=spec.model,
            base_model=spec.base_model or base_model,
            kind=spec.variant.value,
            shots=spec.shots,
            split=spec.split,
            created_at=utc_now(),
        ),
    )


def _require_dataset(session: Session, dataset_id: str, project_id: str) -> None:
    try:
        ready_dataset(dataset_id, project_id=project_id, session=session)
    except InputNotReady:
        return  # reserved: the job will wait for it
    except NotFound as error:
        fault = Fault("/spec/dataset", "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error


def evaluate_kind(base_model: str, *, find_model: FindModel) -> JobKind:
    """Return the `evaluate` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="evaluate",
        spec=EvaluateSpec,
        output="evaluation",
        prefix=Prefix.EVALUATION,
        queue=Queue.EVALUATE,
        task="evaluation.run",
        reserve=partial(_reserve, base_model=base_model, find_model=find_model),
    )


def _reserve(
    session: Session, submission: Submission, *, base_model: str, find_model: FindModel
) -> None:
    model_id = submission.spec.model_dump().get("model")
    if model_id:
        try:
            find_model(model_id, project_id=submission.project_id, session=session)
        except InputNotReady:
            pass
        except NotFound as error:
            fault = Fault("/spec/model", "input_not_found", error.message)
            raise NotFound(error.message, code="input_not_found", faults=[fault]) from error
    reserve_evaluation(session, submission, base_model=base_model)


# ----------------------------------------------------------------------------------- running


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
        row = _require(session, evaluation_id, run.project_id)
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
    _complete(run, spec, dataset, examples, sessions=sessions, store=store)
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


# ----------------------------------------------------------------------------------- scoring


def _complete(
    run: JobRun,
    spec: EvaluateSpec,
    dataset: DatasetView,
    examples: Sequence[Example],
    *,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    evaluation_id = run.outputs["evaluation"]
    run.report(len(examples), len(examples), unit="items", stage="scoring")
    with sessions.reading() as session:
        predictions = repository.predictions(session, evaluation_id)
    rows = [_scored(example, predictions[example.id]) for example in examples]
    names = spec.metrics or tuple(dataset.metrics)
    scores = [score(rows, name, seed=spec.seed) for name in names]
    key = _write_table(evaluation_id, examples, predictions, store=store)
    with run.fenced() as session:
        row = _require(session, evaluation_id, run.project_id)
        repository.put_scores(session, _score_rows(evaluation_id, scores))
        row.rows = len(rows)
        row.outcomes = dict(Counter(scored.outcome.value for scored in rows))
        row.usage = _usage(predictions.values())
        row.synthetic = any(prediction.synthetic for prediction in predictions.values())
        row.table_key = key
        row.ready_at = utc_now()


def _scored(example: Example, prediction: Prediction) -> Scored:
    return Scored(
        example_id=example.id,
        outcome=Outcome(prediction.outcome),
        prediction=prediction.text,
        references=example.references,
        group=example.group,
    )


def _score_rows(evaluation_id: str, scores: Sequence[Score]) -> list[ScoreRow]:
    return [
        ScoreRow(evaluation_id=evaluation_id, position=position, **asdict(each))
        for position, each in enumerate(scores)
    ]


def _usage(predictions: Any) -> dict[str, int]:
    rows = list(predictions)
    return {
        "requests": len(rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
    }


def _write_table(
    evaluation_id: str,
    examples: Sequence[Example],
    predictions: Mapping[str, Prediction],
    *,
    store: ObjectStore,
) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        rows = _table_rows(evaluation_id, examples, predictions)
        write_parquet(rows, path, schema=TABLE, metadata={"evaluation_id": evaluation_id})
        key = f"evaluations/{hashlib.sha256(path.read_bytes()).hexdigest()}.parquet"
        store.put_file(key, path, content_type="application/vnd.apache.parquet")
    return key


def _table_rows(
    evaluation_id: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> Iterator[dict[str, Any]]:
    for position, example in enumerate(examples):
        prediction = predictions[example.id]
        yield {
            "evaluation_id": evaluation_id,
            "position": position,
            "example_id": example.id,
            "outcome": prediction.outcome,
            "prediction": prediction.text,
            "references": list(example.references),
            "finish_reason": prediction.finish_reason,
            "error": prediction.error,
            "prompt_tokens": prediction.prompt_tokens,
            "output_tokens": prediction.output_tokens,
            "synthetic": prediction.synthetic,
            "answered_at": prediction.created_at,
        }


# ----------------------------------------------------------------------------------- reading


def _require(session: Session, evaluation_id: str, project_id: str) -> Evaluation:
    row = repository.find(session, evaluation_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no evaluation {evaluation_id}", code="evaluation_not_found")
    return row


def get_evaluation(
    evaluation_id: str, *, project_id: str, sessions: Sessions
) -> tuple[Evaluation, list[ScoreRow]]:
    """Return an evaluation with its scores, the primary metric first; raises NotFound."""
    with sessions.reading() as session:
        row = _require(session, evaluation_id, project_id)
        return row, list(repository.scores(session, [row.id]))


def list_evaluations(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[tuple[Evaluation, list[ScoreRow]]]:
    """Return a page of evaluations with their scores, newest first."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
        scores = list(repository.scores(session, [row.id for row in rows]))
    return [(row, [each for each in scores if each.evaluation_id == row.id]) for row in rows]


def delete_evaluation(evaluation_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Delete an evaluation with its predictions and scores.

    Raises NotFound, and Conflict `not_ready` while its job may still write.
    """
    with sessions.transaction() as session:
        row = _require(session, evaluation_id, project_id)
        if row.ready_at is None:
            raise Conflict("its job has not ended; cancel the job first", code="not_ready")
        repository.delete(session, row)


def table_key_of(evaluation_id: str, *, project_id: str, sessions: Sessions) -> str:
    """Return the key of the evaluation's Parquet table; raises NotFound, Conflict `not_ready`."""
    with sessions.reading() as session:
        row = _require(session, evaluation_id, project_id)
    if row.table_key is None:
        raise Conflict(f"{evaluation_id} is not ready; its job is {row.job_id}", code="not_ready")
    return row.table_key
