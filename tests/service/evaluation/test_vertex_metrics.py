"""Scores of Vertex AI's evaluation service beside ours: parity, requests, failures, resumption."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import Catalogue, load_catalogue
from service.datasets.examples import Split
from service.datasets.queries import ready_dataset, stream_examples
from service.errors import Conflict, Invalid
from service.evaluation.models import Evaluation
from service.evaluation.operations import run_evaluate
from service.evaluation.plans.estimates import estimate_vertex_metrics
from service.evaluation.queries import get_evaluation, row_schema_of
from service.evaluation.retries import retry_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.vertex_metrics import (
    INSTANCES,
    ScoredText,
    VertexMetric,
    batches,
    read_scores,
    request_body,
)
from service.inference.generators.vertex import VertexGenerator
from service.inference.ledger import cost_of_job
from service.inference.operations import shut_down
from service.inference.ports import (
    EVALUATION_SERVICE,
    Generation,
    GenerationRequest,
    Generator,
    Outcome,
)
from service.inference.retry import CallFailed, Refusal
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobServices, Preempted
from tests.service.evaluation.conftest import ROWS, Oracle, Room
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.runs import MemoryRun
from tests.support.task_messages import MemoryTaskQueue

THEIRS = [each.value for each in VertexMetric]
# Ours of one row are those of the service; of all rows BLEU is of the corpus, theirs a mean.
PAIRED = {
    "exact_match": "vertex_exact_match",
    "sacrebleu": "vertex_bleu",
    "rouge1": "vertex_rouge1",
    "rouge2": "vertex_rouge2",
    "rougeL": "vertex_rougeL",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator() as process:
        yield process


@pytest.fixture
def vertex(emulator: EmulatorProcess) -> Iterator[VertexGenerator]:
    made = VertexGenerator(project="lab", endpoint=emulator.url, timeout_seconds=30)
    yield made
    shut_down(made)


@dataclass
class Scribe(Oracle):
    """Answers rightly, almost so, or not at all like it, in turn."""

    references: dict[str, str] = field(default_factory=dict)

    async def generate(self, request: GenerationRequest) -> Generation:
        answer = await super().generate(request)
        place = list(self.references).index(request.key.rpartition("/")[0])
        words = list(self.references.values())[place].split(" ")
        said = (words, words[1:], words[::-1], ["no"], [*words, "Ünd", "so."], ["  ", *words])
        return replace(answer, text=" ".join(said[place % len(said)]))


@dataclass
class Service:
    """The evaluation service, which may refuse calls; `asked` are those that it got."""

    inner: Generator
    failure: Callable[[int], CallFailed | None] = lambda _number: None
    asked: list[GenerationRequest] = field(default_factory=list)
    run: MemoryRun | None = None

    async def generate(self, request: GenerationRequest) -> Generation:
        self.asked.append(request)
        if self.run:
            self.run.preempted = True
        if failure := self.failure(len(self.asked)):
            raise failure
        return await self.inner.generate(request)

    async def close(self) -> None:
        """Nothing is its own."""


@pytest.fixture
def service(vertex: VertexGenerator) -> Service:
    return Service(vertex)


def references(room: Room) -> dict[str, str]:
    with room.sessions.reading() as session:
        dataset = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    found = stream_examples(dataset.examples_key, Split.TEST, first=0, last=ROWS, store=room.store)
    return {each.id: each.references[0] for each in found}


def evaluate(
    room: Room, run: MemoryRun, service: Service, *, catalogue: Catalogue | None = None
) -> Evaluation:
    room.oracle = Scribe(references=references(room))
    services = room.evaluation_services
    calls = replace(
        services.calls,
        generator=lambda target, _project: (
            service if target.name == EVALUATION_SERVICE else room.oracle
        ),
        catalogue=catalogue or services.calls.catalogue,
    )
    assert run_evaluate(run, services=replace(services, calls=calls)) is None
    with room.sessions.reading() as session:
        return session.get_one(Evaluation, run.outputs["evaluation"])


def reserve(room: Room, *metrics: str) -> MemoryRun:
    return room.reserve(metrics=list(PAIRED), vertex_metrics=list(metrics))


def scores(room: Room, evaluation: Evaluation) -> dict[str, Any]:
    _, found = get_evaluation(evaluation.id, project_id=room.project_id, sessions=room.sessions)
    return {each.metric: each for each in found}


def test_scores_of_the_service_stand_beside_ours_and_agree_row_by_row(
    room: Room, service: Service
) -> None:
    evaluation = evaluate(room, reserve(room, *THEIRS), service)

    found = scores(room, evaluation)
    assert list(found) == [*PAIRED, *(f"vertex_{each}" for each in THEIRS)]
    rows = room.table(evaluation)
    assert len(rows) == ROWS
    for ours, theirs in PAIRED.items():
        assert [row["scores"][theirs] for row in rows] == pytest.approx(
            [row["scores"][ours] for row in rows], abs=1e-3
        )
        assert len({row["scores"][theirs] for row in rows}) > 1
        assert found[theirs].coverage == 1
        assert found[theirs].signature.startswith(f"vertex|{theirs.removeprefix('vertex_')}|")
        assert found[theirs].signature != found[ours].signature
        if ours != "sacrebleu":
            same = ("value", "low", "high", "n", "groups", "method")
            for name in same:
                assert getattr(found[theirs], name) == pytest.approx(getattr(found[ours], name))
    schema = row_schema_of(evaluation.id, project_id=room.project_id, sessions=room.sessions)
    assert schema["properties"]["scores"]["required"] == list(found)


def test_an_instance_is_an_answer_and_many_go_with_one_request(
    room: Room, service: Service
) -> None:
    run = reserve(room, "bleu", "rougeL")

    evaluate(room, run, service)

    bodies = [json.loads(each.contents[0].text) for each in service.asked]
    assert [list(body) for body in bodies] == [["bleuInput"], ["rougeInput"]]
    assert [len(body["bleuInput"]["instances"]) for body in bodies[:1]] == [ROWS]
    with room.sessions.reading() as session:
        cost = cost_of_job(session, run.id)
    assert EVALUATION_SERVICE in cost["unpriced"]
    assert cost["actual"] is None
    assert cost["requests"] == ROWS + len(bodies)


PRICE = """
[models.vertex-evaluation-service.prices]
input = 1
output = 1
training = 1
source = "ours"
as_of = "2026-11"
"""


def test_a_price_of_the_service_may_be_added(room: Room, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(PRICE)
    catalogue = load_catalogue(file)
    spec = {
        "dataset": room.dataset_id,
        "variant": "zero_shot",
        "vertex_metrics": ["bleu", "rouge1"],
    }
    with room.sessions.reading() as session:
        dataset = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    estimate = partial(estimate_vertex_metrics, dataset, EvaluateSpec.model_validate(spec))
    assert estimate(catalogue=load_catalogue()).unpriced == (EVALUATION_SERVICE,)
    assert (estimate(catalogue=catalogue).requests, estimate(catalogue=catalogue).unpriced) == (
        2,
        (),
    )
    run = reserve(room, "bleu")

    evaluate(room, run, service, catalogue=catalogue)

    with room.sessions.reading() as session:
        cost = cost_of_job(session, run.id)
    assert EVALUATION_SERVICE not in cost["unpriced"]
    assert float(cost["uncounted"]) > 0


def test_batches_are_bounded_by_instances_and_characters() -> None:
    def text(name: str, *golds: str) -> ScoredText:
        return ScoredText(name, "a", golds)

    one = [text(str(at), "b", "c", "d") for at in range(INSTANCES)]
    sizes = [sum(len(each.references) for each in batch) for batch in batches(one)]
    assert max(sizes) <= INSTANCES
    assert sum(sizes) == 3 * INSTANCES
    large = [text("x", "b" * 400_000), text("y", "b" * 400_000), text("z", *["b"] * 2 * INSTANCES)]
    names = ["".join(each.example_id for each in batch) for batch in batches(large)]
    assert names == ["x", "y", "z"]


def test_the_kindest_reference_counts_and_odd_answers_are_no_scores() -> None:
    texts = [ScoredText("a", "x", ("x", "y")), ScoredText("b", "z", ("y",))]
    read = partial(read_scores, VertexMetric.BLEU, texts)

    def answer(*values: Any) -> str:
        return json.dumps({"bleuResults": {"bleuMetricValues": [{"score": v} for v in values]}})

    body = json.loads(request_body(VertexMetric.BLEU, texts))
    assert body["bleuInput"]["instances"][1] == {"prediction": "x", "reference": "y"}
    assert read(answer(0, 1.0, 0.25)) == [1.0, 0.25]
    assert read(answer(0, 1.0, 7)) == [1.0, None]
    assert read(answer(0, "NaN", 0.5)) == [None, 0.5]
    for odd in (answer(1.0), "[]", "{", '{"bleuResults": {"bleuMetricValues": 3}}'):
        assert read(odd) == [None, None]


@pytest.mark.parametrize(
    "failure",
    [
        CallFailed(Refusal.PERMANENT, "403 API off", status=403, meets_every_call=True),
        CallFailed(Refusal.PERMANENT, "400 too long", status=400),
        CallFailed(Refusal.TRANSIENT, "no connection", reached=False),
    ],
    ids=lambda failure: failure.message.split()[0],
)
def test_a_failure_of_the_service_is_a_score_without_value_and_can_be_asked_again(
    room: Room, service: Service, failure: CallFailed
) -> None:
    service.failure = lambda _number: failure
    run = reserve(room, "rougeL")

    evaluation = evaluate(room, run, service)

    found = scores(room, evaluation)
    failed = found["vertex_rougeL"]
    assert evaluation.ready_at is not None
    assert found["rougeL"].coverage == 1
    assert (failed.value, failed.n, failed.rows) == (None, 0, ROWS)
    assert failed.error.startswith(f"{ROWS} of {ROWS} rows have no score of the service: ")
    assert failure.message in failed.error
    assert all(row["scores"]["vertex_rougeL"] is None for row in room.table(evaluation))

    service.failure = lambda _number: None
    again = evaluate(room, retried(room, evaluation), service)

    assert len(room.oracle.asked) == 0
    found = scores(room, again)
    assert found["vertex_rougeL"].value == pytest.approx(found["rougeL"].value)
    assert not found["vertex_rougeL"].error


def test_a_quota_that_is_used_up_is_not_waited_for(room: Room, service: Service) -> None:
    used_up = CallFailed(Refusal.DAILY, "429 per day", status=429)
    service.failure = lambda _number: used_up

    found = scores(room, evaluate(room, reserve(room, "rougeL", "bleu"), service))

    assert len(service.asked) == 1
    for name in ("vertex_rougeL", "vertex_bleu"):
        assert found[name].value is None
        assert "quota is used up" in found[name].error


def retried(room: Room, evaluation: Evaluation) -> MemoryRun:
    with room.sessions.transaction() as session:
        session.get_one(Job, evaluation.job_id).state = State.SUCCEEDED.value
    job = retry_evaluation(
        evaluation.id,
        project_id=room.project_id,
        labels={},
        budget_nano=None,
        request_id=None,
        services=JobServices(room.services.kinds, room.sessions, MemoryTaskQueue()),
        open_jobs_limit=10,
    )
    return MemoryRun(job.id, room.project_id, job.spec, job.outputs, room.sessions)


def test_what_the_service_has_scored_is_not_sent_again(room: Room, service: Service) -> None:
    run = reserve(room, "exact_match", "bleu")
    service.run = run
    with pytest.raises(Preempted):
        evaluate(room, run, service)
    run.preempted, service.run = False, None

    evaluation = evaluate(room, run, service)

    families = [next(iter(json.loads(each.contents[0].text))) for each in service.asked]
    assert families == ["exactMatchInput", "bleuInput"]
    assert scores(room, evaluation)["vertex_bleu"].coverage == 1
    with pytest.raises(Conflict):
        retried(room, evaluation)


def test_rows_without_an_answer_are_not_sent_and_bound_both_scores_alike(
    room: Room, service: Service
) -> None:
    class Refusing(Scribe):
        async def generate(self, request: GenerationRequest) -> Generation:
            answer = await super().generate(request)
            is_refused = len(self.asked) % 4 == 0
            return replace(answer, outcome=Outcome.REFUSED, text="") if is_refused else answer

    oracle = Refusing(references=references(room))
    services = room.evaluation_services
    calls = replace(
        services.calls,
        generator=lambda target, _project: service if target.name == EVALUATION_SERVICE else oracle,
    )
    run = reserve(room, "rouge1")
    assert run_evaluate(run, services=replace(services, calls=calls)) is None

    with room.sessions.reading() as session:
        evaluation = session.get_one(Evaluation, run.outputs["evaluation"])
    found = scores(room, evaluation)
    ours, theirs = found["rouge1"], found["vertex_rouge1"]
    assert theirs.coverage == ours.coverage == 0.75
    for name in ("value", "worst", "best"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name), abs=1e-3)
    [body] = [json.loads(each.contents[0].text) for each in service.asked]
    assert len(body["rougeInput"]["instances"]) == 0.75 * ROWS


def test_only_metrics_without_a_model_are_taken(room: Room) -> None:
    with pytest.raises(ValueError, match="vertex_metrics"):
        reserve(room, "fluency")
    with pytest.raises(Invalid, match="no such metric"):
        room.reserve(metrics=["vertex_bleu"])
