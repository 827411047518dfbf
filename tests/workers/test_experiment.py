"""Experiments through real workers, broker, databases, Google clients and emulator."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest
from google.cloud import storage

from service.datasets.sources.schemas import SyntheticSource
from service.datasets.sources.synthetic import synthetic_rows
from service.evaluation.exports.row_scores import read_rows
from service.evaluation.queries import get_evaluation
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.queries import get_experiment
from service.experiments.report.archive import read_archived
from service.experiments.variant_view import VariantView
from service.inference.redis_governor import list_quotas
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.projects.operations import create_key
from service.projects.schemas import Scope
from service.tuning.curves.overfitting import Overfitting
from service.tuning.models import TunedModel, TuningRun
from service.tuning.queries import get_model
from tests.api.server import Caller, serve
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tunecurve.cli import run

pytestmark = pytest.mark.journey

SIZES = (20, 80)


def experiment(*, rows: int = 300, test_size: int = 40, **more: Any) -> dict[str, Any]:
    """Return the spec of a small experiment: a larger table would be read in a subprocess."""
    source = SyntheticSource(type="synthetic", rows=rows, seed=0).model_dump()
    prepare = {
        "preset": "pii",
        "source": source,
        "train_sizes": list(SIZES),
        "test_size": test_size,
    }
    return {"prepare": prepare, "shots": 2, "fresh": True, **more}


def training_files(stack: Stack, job: Job) -> set[str]:
    """Return the checksums of the training files of an experiment's dataset."""
    (dataset,) = {
        child.outputs["dataset"] for child in stack.children(job.id) if "dataset" in child.outputs
    }
    client = storage.Client(project="tunecurve-test")
    folder = f"data/projects/{stack.project_id}/datasets/{dataset}/"
    blobs = client.list_blobs("tunecurve", prefix=folder)
    return {blob.crc32c for blob in blobs if blob.name.endswith(".jsonl")}


def test_one_job_draws_a_learning_curve_and_a_second_has_the_same_data_and_tunes_nothing(
    fresh_stack: Stack,
) -> None:
    stack = fresh_stack
    job = stack.succeeded(stack.submit("experiment", experiment()).id)
    variants = stack.variants(job)
    assert list(variants) == ["zero-shot", "few-shot (2)", "tuned@20", "tuned@80"]
    for variant in variants.values():
        assert variant.score is not None
        assert variant.low is not None
        assert variant.high is not None
        assert variant.low <= variant.score <= variant.high
        assert variant.test_rows == 40
        assert variant.coverage == 1.0
    row, _ = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert row.synthetic
    assert row.answer
    assert job.result is not None
    assert job.result["answer"] == row.answer
    assert job.result["synthetic"] is True
    [reported] = [each for each in stack.events(job.id) if each.type == "job.succeeded"]
    assert reported.data["result"] == job.result
    curve = ExperimentCurve.model_validate(row.curve)
    assert set(curve.costs) == set(variants)
    assert all(cost.per_thousand_calls for cost in curve.costs.values())
    assert curve.costs["tuned@80"].tuning not in {None, "0.00"}
    assert curve.front
    ledger = stack.emulator.ledger()
    assert ledger["tunings_created"] == len(SIZES)
    assert ledger["calls_accepted"] == 4 * 40
    assert ledger["repeated_prompts"] == 0
    called = list_quotas(stack.services.settings.redis_url)
    assert {(each.location, each.base_model) for each in called} == {
        ("us", "gemini-3.1-flash-lite")  # the base model where its tuned models answer
    }
    _keep_overfitting(stack, variants["tuned@80"].model)
    spec = experiment(fresh=False, shots=3)
    again = stack.succeeded(stack.submit("experiment", spec).id)
    first, second = (training_files(stack, each) for each in (job, again))
    assert len(first) == len(SIZES)
    assert first == second
    assert stack.emulator.ledger()["tunings_created"] == len(SIZES)
    assert stack.variants(again)["tuned@80"].score == variants["tuned@80"].score
    tunings = [child for child in stack.children(again.id) if child.kind == "tune"]
    assert [tuning.cost["actual"] for tuning in tunings] == ["0.00", "0.00"]
    baseline = stack.variants(again)["zero-shot"]
    assert baseline.score == variants["zero-shot"].score
    row, _ = get_experiment(
        again.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    table = read_archived(row.archive_key, "tables/overfitting.csv", store=stack.services.store)
    assert table.decode().splitlines()[1:] == ["tuned@80,3,0.5,9,0.7,0.4,0.1,0.6"]
    _extend(stack, again)


def _extend(stack: Stack, job: Job) -> None:
    """Add a size and a variant by the command: only these are tuned, asked and paid for."""
    known, experiment_id = stack.emulator.ledger(), job.outputs["experiment"]
    with calling(stack) as caller:
        _refuse_changes(caller, experiment_id)
        added = '{"train_sizes": [160], "chain_of_thought": true}'
        command = ["submit", "experiment", "--extend", experiment_id, "--spec", added]
        assert run([*command, "--url", str(caller.http.base_url), "--key", caller.secret]) == 0
        newest = caller.get("/v1/jobs", params={"kind": "experiment", "limit": 1}).json()["data"]
    extended = stack.succeeded(newest[0]["id"])
    before, after = stack.variants(job), stack.variants(extended)
    assert set(after) - set(before) == {"tuned@160", "chain-of-thought"}
    assert {name: after[name].score for name in before} == {
        name: each.score for name, each in before.items()
    }
    ledger = stack.emulator.ledger()
    assert ledger["tunings_created"] == known["tunings_created"] + 1
    assert ledger["calls_accepted"] == known["calls_accepted"] + 2 * 40
    assert ledger["repeated_prompts"] == known["repeated_prompts"]
    rows = [
        [line["example_id"] for line in stored_rows(stack, each)]
        for each in (before["zero-shot"], after["zero-shot"], after["tuned@160"])
    ]
    assert rows[0] == rows[1] == rows[2]
    row, _ = get_experiment(
        extended.outputs["experiment"],
        project_id=stack.project_id,
        sessions=stack.services.sessions,
    )
    assert f"this extends {job.outputs['experiment']}: the 15 comparisons of all" in (
        row.answer or ""
    )


def _refuse_changes(caller: Caller, experiment_id: str) -> None:
    """See that an extension which would change what was compared is refused, and says why."""
    for changed, named in (
        ({"shots": 5}, "few-shot (3)"),
        ({"temperature": 0.7}, "`temperature`"),
        ({"metric": "exact_match"}, "`metric`"),
    ):
        spec = {"extend": experiment_id, **changed}
        refused = caller.post("/v1/jobs", {"kind": "experiment", "spec": spec})
        assert refused.status_code == 422
        assert refused.json()["code"] == "extension_changes_experiment"
        assert named in refused.json()["detail"]
    spec = {"extend": "exp_00000000000000000000000000", "train_sizes": [160]}
    unknown = caller.post("/v1/jobs", {"kind": "experiment", "spec": spec})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "experiment_not_found")


@contextmanager
def calling(stack: Stack) -> Iterator[Caller]:
    """Yield a caller of an API beside the stack."""
    sessions = stack.services.sessions
    key = create_key(stack.project_id, name="extend", scopes=Scope, sessions=sessions)
    with serve(stack.services.settings) as api:
        yield Caller(api.http, stack.project_id, key.secret)


def test_an_extension_whose_source_has_other_rows_now_asks_nothing(stack: Stack) -> None:
    def put(word: str) -> None:
        lines = [json.dumps({"text": f"{word} {n}", "target": "ok"}) for n in range(40)]
        bucket.blob("rows.jsonl").upload_from_string("\n".join(lines))

    bucket = storage.Client(project="tunecurve-test").create_bucket("theirs")
    put("words")
    prepare = {
        "preset": "generic",
        "template": {"instruction": "Say ok.", "text": "{{text}}", "target": "{{target}}"},
        "source": {"type": "gs", "uri": "gs://theirs/rows.jsonl"},
        "train_sizes": [5],
        "test_size": 10,
    }
    job = stack.succeeded(stack.submit("experiment", {"prepare": prepare}).id)
    put("others")
    stack.mark()
    spec = {"extend": job.outputs["experiment"], "train_sizes": [8]}
    with calling(stack) as caller:
        extension = caller.submit("experiment", spec)
    ended = stack.ended(extension["id"])

    assert ended.state == State.FAILED
    assert (ended.error or {})["code"] == "test_rows_differ"
    assert [child.kind for child in stack.children(ended.id)] == ["prepare"]
    assert stack.spent("tunings_created") == stack.spent("calls_received") == 0


def stored_rows(stack: Stack, variant: VariantView) -> list[dict[str, Any]]:
    return list(
        read_rows(
            variant.evaluation,
            project_id=stack.project_id,
            sessions=stack.services.sessions,
            store=stack.services.store,
        )
    )


def _keep_overfitting(stack: Stack, model_id: str | None) -> None:
    """Note of a model that it has overfitted, as the sweep of curves does, once that is over."""
    eventually(lambda: not _unread_curves(stack), what="the training curves are not read")
    found = Overfitting(3, 0.5, 9, 0.7, rise=0.4, best_gap=0.1, last_gap=0.6)
    with stack.services.sessions.transaction() as session:
        session.get_one(TunedModel, model_id).overfitting = asdict(found)


def _unread_curves(stack: Stack) -> int:
    with stack.services.sessions.reading() as session:
        return session.query(TuningRun).where(TuningRun.metrics_due_at.is_not(None)).count()


def test_shuffled_targets_give_a_low_curve_because_nothing_is_hard_coded(
    stack: Stack,
) -> None:
    rows = [row.fields for row in synthetic_rows(300, seed=0)]
    targets = [row["target_text"] for row in rows]
    random.Random(1).shuffle(targets)  # noqa: S311  a fixed order, nothing secret
    lines = [
        json.dumps({"source_text": row["source_text"], "target_text": target})
        for row, target in zip(rows, targets, strict=True)
    ]
    file_id = stack.upload("\n".join(lines).encode(), name="shuffled.jsonl", file_format="jsonl")
    spec = experiment()
    spec["prepare"]["source"] = {"type": "file", "file_id": file_id}
    shuffled = stack.variants(stack.succeeded(stack.submit("experiment", spec).id))
    true = stack.variants(stack.succeeded(stack.submit("experiment", experiment()).id))
    for name in ("tuned@20", "tuned@80"):
        assert (shuffled[name].score or 0) < 0.5 * (true[name].score or 0)
    assert (true["tuned@80"].score or 0) > (true["tuned@20"].score or 0)


def test_a_cancelled_experiment_stops_its_children_and_the_provider(stack: Stack) -> None:
    stack.emulator.configure(tuning_seconds=120)
    job = stack.submit("experiment", experiment())
    eventually(
        lambda: stack.spent("tunings_created") == len(SIZES),
        what="the tunings were not submitted",
    )
    stack.cancel(job.id)
    assert stack.ended(job.id).state == State.CANCELLED
    assert all(
        child.state in {State.CANCELLED, State.SUCCEEDED} for child in stack.children(job.id)
    )
    states = {tuning["state"] for tuning in stack.new_tunings()}
    assert states <= {"JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING"}


def test_a_poll_job_attaches_to_a_tuning_that_exists_and_its_model_can_be_evaluated(
    stack: Stack,
) -> None:
    prepared = stack.succeeded(stack.submit("prepare", experiment()["prepare"]).id)
    dataset = prepared.outputs["dataset"]
    tune = {"dataset": dataset, "train_size": SIZES[0], "fresh": True}
    stack.succeeded(stack.submit("tune", tune).id)
    (tuning,) = stack.new_tunings()
    attached = stack.succeeded(stack.submit("poll", {"resource_name": tuning["name"]}).id)
    model = get_model(
        attached.outputs["model"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert model.endpoint
    assert model.base_model == "gemini-3.1-flash-lite"
    assert stack.spent("tunings_created") == 1
    spec = {"dataset": dataset, "variant": "tuned", "model": model.id}
    evaluated = stack.succeeded(stack.submit("evaluate", spec).id)
    _, scores = get_evaluation(
        evaluated.outputs["evaluation"],
        project_id=stack.project_id,
        sessions=stack.services.sessions,
    )
    assert scores[0].value is not None


def test_a_row_without_target_fails_the_job_and_names_the_row(stack: Stack) -> None:
    lines = [f'{{"source_text": "I am Ann {n}", "target_text": "I am X {n}"}}' for n in range(30)]
    lines[16] = '{"source_text": "secret Ann", "target_text": ""}'
    file_id = stack.upload("\n".join(lines).encode(), name="rows.jsonl", file_format="jsonl")
    spec = experiment()
    spec["prepare"]["source"] = {"type": "file", "file_id": file_id}
    job = stack.ended(stack.submit("experiment", spec).id)
    assert job.state == State.FAILED
    error = job.error or {}
    assert error["code"] == "row_without_target"
    assert error["errors"][0]["pointer"] == "row 17"
    assert "secret" not in str(error)
    assert stack.spent("tunings_created") == 0


def test_every_score_of_a_dataset_that_leaks_says_so(stack: Stack) -> None:
    row = {"text": "the same words", "target": "ok"}
    others = [{"text": f"words number {n} {n * n}", "target": "ok"} for n in range(60)]
    train = [each | {"part": "train"} for each in [row, *others[:40]]]
    test = [each | {"part": "test"} for each in [row, *others[40:]]]
    content = "\n".join(map(json.dumps, [*train, *test])).encode()
    file_id = stack.upload(content, name="leaky.jsonl", file_format="jsonl")
    prepare = {
        "preset": "generic",
        "template": {"instruction": "Say ok.", "text": "{{text}}", "target": "{{target}}"},
        "source": {"type": "file", "file_id": file_id},
        "split_column": "part",
        "train_sizes": [20],
    }
    refused = stack.ended(stack.submit("prepare", prepare).id)
    assert (refused.error or {})["code"] == "leakage"
    dataset = stack.succeeded(stack.submit("prepare", prepare | {"allow_leakage": True}).id)
    spec = {"dataset": dataset.outputs["dataset"], "variant": "zero_shot"}
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    _, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert scores
    assert all(score.leaky for score in scores)


def test_an_experiment_that_could_not_tune_fails_before_its_first_paid_call(stack: Stack) -> None:
    stack.emulator.configure(forbidden="tunings")
    try:
        job = stack.ended(stack.submit("experiment", experiment()).id)
    finally:
        stack.emulator.configure(forbidden="nothing")

    assert job.state == State.FAILED
    assert job.error is not None
    assert job.error["code"] == "provider_forbidden"
    assert "nothing was sent or paid" in job.error["detail"]
    assert not stack.children(job.id)
    assert stack.spent("tunings_created") == 0
    assert stack.spent("calls_received") == 0
