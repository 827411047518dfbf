"""Models on this machine through real workers: trained, killed, cancelled, and in experiments."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from service.errors import Invalid, NotFound
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.queries import get_experiment
from service.generation.operations import plan_call, present_call, start_call
from service.generation.schemas import GeneratedText, GenerateRequest
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.projects.schemas import ProjectLimits
from service.tuning.curves.records import training_curves
from service.tuning.ports import MetricSeries
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.fleet import FleetProcess
from tests.support.local_models import (
    BASE,
    CLASSIFIER,
    as_jsonl,
    prepare_spec,
    sentiment_rows,
    tiny_base,
)
from tests.support.stack import Stack

# Every test process collects this file: PyTorch is looked for, and not imported.
pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(find_spec("torch") is None, reason="the extra `local` is not installed"),
]

SIZES = (50, 200, 400)
GEMINI = "gemini-3.1-flash-lite"
LONG = {
    **CLASSIFIER,
    "hyperparameters": {"epochs": 20},
    "train_size": SIZES[0],
    "export_last_checkpoint_only": True,
}


@pytest.fixture(scope="module")
def stack_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    models = tiny_base(tmp_path_factory.mktemp("models"))
    return {"local_models": str(models), "local_threads": "1"}


@pytest.fixture(scope="module")
def dataset(running_stack: Stack) -> str:
    """The id of a dataset of three train sizes."""
    stack = running_stack
    file_id = stack.upload(as_jsonl(sentiment_rows(600)), name="r.jsonl", file_format="jsonl")
    job = stack.submit("prepare", prepare_spec(file_id, sizes=SIZES))
    return stack.succeeded(job.id).outputs["dataset"]


def start_local(stack: Stack) -> FleetProcess:
    return stack.fleet.start_worker("tune-local,evaluate-local", concurrency=1, name="local")


@pytest.fixture(scope="module")
def worker(running_stack: Stack) -> FleetProcess:
    return start_local(running_stack)


def tune(stack: Stack, dataset: str, **spec: Any) -> Job:
    return stack.submit(
        "tune", {"dataset": dataset, "provider": "local", "base_model": BASE, **spec}
    )


def last_loss(stack: Stack, job: Job) -> float:
    _, points = training_curves(
        job.outputs["model"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    losses = [each for each in points if each.series is MetricSeries.VALIDATION_LOSS]
    return losses[-1].value


def test_a_killed_worker_costs_the_work_since_the_last_checkpoint_and_nothing_else(
    stack: Stack, dataset: str, worker: FleetProcess
) -> None:
    whole = stack.succeeded(tune(stack, dataset, **LONG).id)
    job = tune(stack, dataset, **LONG, fresh=True)
    folder = stack.services.local_tuning.folder / job.id
    eventually(lambda: any(folder.glob("checkpoint-*/whole")), what="nothing was saved", pause=0.01)
    worker.kill()
    assert stack.job(job.id).state == State.RUNNING
    start_local(stack)
    ended = stack.succeeded(job.id)
    assert ended.attempt == 2
    assert last_loss(stack, ended) == pytest.approx(last_loss(stack, whole), abs=5e-4)
    assert not folder.exists()


def test_a_running_training_is_seen_and_stops_when_cancelled(
    stack: Stack, dataset: str, worker: FleetProcess
) -> None:
    job = tune(stack, dataset, **{**LONG, "hyperparameters": {"epochs": 100}})
    assert job.queue == "tune-local"
    eventually(lambda: stack.job(job.id).progress["done"] > 0, what="no step was seen")
    seen = stack.job(job.id).progress
    assert (seen["unit"], seen["stage"], seen["total"]) == ("steps", "training", 400)
    stack.cancel(job.id)
    ended = stack.ended(job.id)
    assert ended.state == State.CANCELLED
    assert ended.progress["done"] < 400
    folder = stack.services.local_tuning.folder
    eventually(lambda: not (folder / job.id).exists(), what="the training's folder is still there")


def test_an_experiment_draws_learning_curves_of_a_local_model_and_of_gemini_in_one_table(
    stack: Stack, dataset: str, worker: FleetProcess
) -> None:
    spec = {
        "dataset": dataset,
        "provider": "local",
        "base_model": BASE,
        "tune_models": [{"base_model": GEMINI, "hyperparameters": {"epochs": 3}}],
        "shots": 0,
        **CLASSIFIER,
    }
    job = stack.succeeded(stack.submit("experiment", spec).id)
    variants = stack.variants(job)
    assert list(variants) == [
        f"{GEMINI}: zero-shot",
        *(f"tuned@{size}" for size in SIZES),
        *(f"{GEMINI}: tuned@{size}" for size in SIZES),
    ]
    assert (variants["tuned@400"].score or 0) >= 95
    assert (variants["tuned@50"].score or 0) < (variants["tuned@400"].score or 0)
    row, _ = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    curve = ExperimentCurve.model_validate(row.curve)
    curves = {curve.base_model: curve.points}
    curves |= {each.base_model: each.points for each in curve.rivals}
    assert {name: [point.train_size for point in points] for name, points in curves.items()} == {
        BASE: list(SIZES),
        GEMINI: list(SIZES),
    }
    assert ("tuned@400", f"{GEMINI}: tuned@400") in {
        tuple(sorted((each.first, each.second), reverse=True)) for each in curve.comparisons
    }
    assert row.answer
    assert f"{BASE} (local)" in row.answer
    assert f"{GEMINI} (vertex)" in row.answer
    assert row.synthetic  # the emulator's answers are among its rows
    assert stack.spent("tunings_created") == len(SIZES)


def test_an_experiment_of_local_models_alone_is_not_synthetic(
    stack: Stack, dataset: str, worker: FleetProcess
) -> None:
    spec = {
        "dataset": dataset,
        "train_sizes": [SIZES[0]],
        "provider": "local",
        "base_model": BASE,
        "hyperparameters": {"epochs": 1},
    }
    job = stack.succeeded(stack.submit("experiment", spec).id)
    assert list(stack.variants(job)) == ["tuned@50"]
    assert job.result is not None
    assert job.result["synthetic"] is False
    assert job.cost["synthetic"] is False
    assert job.cost["actual"] == "0.00"
    tunings = [each for each in stack.children(job.id) if each.kind == "tune"]
    assert [each.cost["training_tokens"] > 0 for each in tunings] == [True]


def ask(
    stack: Stack,
    model: str,
    text: str,
    *,
    emit: Callable[[str], None] | None = None,
    **wanted: Any,
) -> GeneratedText:
    services = stack.services.generation
    request = GenerateRequest(text=text, max_output_tokens=8, **wanted)
    call = plan_call(model, request, project_id=stack.project_id, services=services)
    sent = start_call(call, limits=ProjectLimits(), services=services, emit=emit)
    return present_call(call, sent.result(PATIENCE_SECONDS))


def test_tuned_and_base_model_answer_a_single_call(
    stack: Stack, dataset: str, worker: FleetProcess
) -> None:
    job = stack.succeeded(tune(stack, dataset, **{**CLASSIFIER, "train_size": SIZES[-1]}).id)
    asked = sentiment_rows(12, seed=1)
    # As the rows that it learned from: other words than theirs it labels by chance.
    answers = [ask(stack, job.outputs["model"], f"Text: {row['text']}") for row in asked]
    right = [answer.text == row["label"] for answer, row in zip(answers, asked, strict=True)]
    assert sum(right) >= 10
    assert {(each.cost, each.synthetic, each.location) for each in answers} == {
        ("0.00", False, "local")
    }
    base = ask(stack, BASE, "the film was")
    assert (base.model, base.output_tokens > 0) == (BASE, True)
    pieces = list[str]()
    assert ask(stack, BASE, "the film was", emit=pieces.append).text == base.text
    assert len(pieces) > 1
    assert "".join(pieces) == base.text
    with pytest.raises(NotFound, match="there are: tiny-gpt2"):
        ask(stack, "local:not-there", "the film was")
    with pytest.raises(Invalid, match="greedily"):
        ask(stack, BASE, "the film was", temperature=1.0)
