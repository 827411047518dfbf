"""Checkpoints: one after each epoch, each a model of its own behind an endpoint of its own."""

from itertools import pairwise
from typing import Any

import pytest

from emulator.learners.tuned_model import TunedModel, train_model
from emulator.tuning.records import kept_epochs
from tests.emulator.clients import genai_client, rest_client
from tests.emulator.examples import create, finish, labelled, order, upload
from tests.emulator.learners.test_tuned_model import CLASS
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

TEXT = "note 3: a splendid and happy day"


@pytest.fixture(scope="module")
def uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, labelled(good="GOOD", bad="BAD"), name="checkpoints.jsonl")


def tune(emulator: EmulatorProcess, uri: str, *, epochs: int, **spec: Any) -> dict[str, Any]:
    body = order(uri, epochs=epochs)
    body["supervisedTuningSpec"] |= spec
    body["supervisedTuningSpec"]["hyperParameters"]["learningRateMultiplier"] = 0.2
    return finish(emulator, create(emulator, body)["name"])


def certainty(emulator: EmulatorProcess, endpoint: str) -> float:
    """Return the log-probability of the answer of the model behind an endpoint."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": TEXT}]}],
        "generationConfig": {"responseLogprobs": True},
    }
    answer = emulator.request("POST", f"/v1/{endpoint}:generateContent", body)
    return float(answer["candidates"][0]["avgLogprobs"])


def test_every_epoch_leaves_a_model_that_answers_as_it_did_then(
    emulator: EmulatorProcess, uri: str
) -> None:
    done = tune(emulator, uri, epochs=3)
    checkpoints = done["tunedModel"]["checkpoints"]

    assert [checkpoint["checkpointId"] for checkpoint in checkpoints] == ["1", "2", "3"]
    assert [checkpoint["epoch"] for checkpoint in checkpoints] == ["1", "2", "3"]
    assert [checkpoint["step"] for checkpoint in checkpoints] == ["40", "80", "120"]
    assert checkpoints[-1]["endpoint"] == done["tunedModel"]["endpoint"]
    sure = [certainty(emulator, checkpoint["endpoint"]) for checkpoint in checkpoints]
    assert len(set(sure)) == 3
    assert sure[0] < sure[-1]


def test_a_checkpoint_is_what_a_shorter_training_gives() -> None:
    kept: list[list[str]] = []
    prompts = [prompt for prompt, _ in CLASS]

    def keep(model: TunedModel) -> None:
        kept.append(model.answer_many(prompts))

    train_model(CLASS, epochs=3, snapshot=keep, learning_rate_multiplier=0.1)

    for epochs in (1, 2, 3):
        shorter = train_model(CLASS, epochs=epochs, learning_rate_multiplier=0.1)
        assert shorter.answer_many(prompts) == kept[epochs - 1]


def test_only_the_last_is_kept_when_so_ordered(emulator: EmulatorProcess, uri: str) -> None:
    tuned = tune(emulator, uri, epochs=3, exportLastCheckpointOnly=True)["tunedModel"]

    assert [each["epoch"] for each in tuned["checkpoints"]] == ["3"]
    assert tuned["checkpoints"][0]["endpoint"] == tuned["endpoint"]


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        (1, [1]),
        (4, [1, 2, 3, 4]),
        (10, list(range(1, 11))),
        (20, list(range(2, 21, 2))),
        (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
    ],
)
def test_more_than_ten_epochs_leave_ten_checkpoints(epochs: int, kept: list[int]) -> None:
    assert kept_epochs(epochs, last_only=False) == kept
    assert kept_epochs(epochs, last_only=True) == [epochs]


def test_an_endpoint_of_no_checkpoint_is_not_found(emulator: EmulatorProcess, uri: str) -> None:
    endpoint = tune(emulator, uri, epochs=2)["tunedModel"]["endpoint"]
    body = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
    wrong = f"{emulator.url}/v1/{endpoint[:-1]}:generateContent"

    assert plain_http.post(wrong, json=body, timeout=300).status_code == 404


def test_checkpoints_are_served_one_by_one_while_the_tuning_runs(
    emulator: EmulatorProcess, uri: str
) -> None:
    from google.cloud import aiplatform_v1 as v1
    from google.genai.errors import ClientError

    emulator.configure(tuning_seconds=400_000)
    name = create(emulator, order(uri, epochs=4))["name"]
    genai = genai_client(emulator, location="us-central1")
    models = rest_client(emulator, v1.ModelServiceClient)
    tensorboard = rest_client(emulator, v1.TensorboardServiceClient)

    def made() -> list[Any]:
        tuned = genai.tunings.get(name=name).tuned_model
        return list(tuned.checkpoints or []) if tuned else []

    def reach(count: int) -> list[Any]:
        eventually(lambda: len(made()) >= count)
        return made()

    checkpoints: list[Any] = []
    points: list[Any] = []
    eventually(lambda: emulator.ledger()["tunings"][-1]["training_rows"])
    assert made() == []
    for count in (1, 2, 3):
        advance(emulator, 90_000)
        checkpoints = reach(count)
        assert [each.epoch for each in checkpoints] == list(range(1, count + 1))
        assert certainty(emulator, checkpoints[-1].endpoint) < 0
        points = losses(tensorboard, name)
        assert len(points) == count
    between = [(later - earlier).total_seconds() for earlier, later in pairwise(points)]
    assert all(89_999 < seconds < 100_000 for seconds in between)
    running = genai.tunings.get(name=name)
    assert running.state.name == "JOB_STATE_RUNNING"
    assert running.tuned_model.endpoint is None
    listed = models.list_model_version_checkpoints(name=running.tuned_model.model, timeout=300)
    assert [each.epoch for each in listed] == [1, 2, 3]
    emulator.configure(tuning_seconds=0)
    done = finish(emulator, name)["tunedModel"]
    assert [each["endpoint"] for each in done["checkpoints"][:3]] == [
        each.endpoint for each in checkpoints
    ]
    with pytest.raises(ClientError, match="not found"):
        genai.models.generate_content(model=f"{done['endpoint']}0", contents=TEXT)
    genai.close()
    models.transport.close()
    tensorboard.transport.close()


def losses(tensorboard: Any, tuning: str) -> list[Any]:
    """Return the moments of the training losses reported so far."""
    home, _, number = tuning.partition("/tuningJobs/")
    run = f"{home}/tensorboards/{number}/experiments/tuning-experiment-{number}/runs/run"
    read = tensorboard.read_tensorboard_time_series_data
    found = read(tensorboard_time_series=f"{run}/timeSeries/1", timeout=300)
    return [point.wall_time for point in found.time_series_data.values]


def advance(emulator: EmulatorProcess, seconds: float) -> None:
    emulator.request("POST", "/_emulator/clock", {"advance_seconds": seconds})
