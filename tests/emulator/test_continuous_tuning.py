"""Tuning a tuned model further, through Google's clients."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, MethodNotImplemented, NotFound

from emulator.tuning.examples import Example, join_examples
from tests.emulator.clients import genai_client, in_event_loop, rest_client
from tests.emulator.examples import ask, create, finish, jsonl, labelled, order, row, upload
from tests.support.emulator import EmulatorProcess

PARENT = "projects/lab/locations/us-central1"
HAPPY = "note 3: a splendid and happy day"
RAINY = "note 5: a wet and rainy morning"


@pytest.fixture(scope="module")
def parent(emulator: EmulatorProcess) -> dict[str, Any]:
    """A model that knows two labels, tuned for two epochs and called `first`."""
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="parent.jsonl")
    body = order(uri) | {"tunedModelDisplayName": "first"}
    return finish(emulator, create(emulator, body)["name"])


@pytest.fixture(scope="module")
def weather(emulator: EmulatorProcess) -> str:
    """Rows of a third label, which the parent has never seen."""
    rows = [row(f"note {i}: a wet and rainy morning", "RAIN") for i in range(30)]
    return upload(emulator, jsonl(rows), name="weather.jsonl")


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator, location="us-central1")
    yield client
    client.close()


@pytest.fixture(scope="module")
def tunings(emulator: EmulatorProcess) -> Iterator[Any]:
    from google.cloud.aiplatform_v1 import GenAiTuningServiceClient

    client = rest_client(emulator, GenAiTuningServiceClient)
    yield client
    client.transport.close()


def tune_on(genai: Any, model: str, uri: str, **config: Any) -> Any:
    from google.genai import types

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return genai.tunings.tune(
            base_model=model,
            training_dataset=types.TuningDataset(gcs_uri=uri),
            config=types.CreateTuningJobConfig(epoch_count=2, **config),
        )


def test_a_tuned_model_learns_more_and_forgets_nothing(
    emulator: EmulatorProcess, genai: Any, parent: dict[str, Any], weather: str
) -> None:
    job = tune_on(genai, parent["tunedModel"]["model"], weather)
    done = finish(emulator, job.name)

    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert "baseModel" not in done
    assert done["preTunedModel"] == {
        "tunedModelName": parent["tunedModel"]["model"],
        "checkpointId": "2",
        "baseModel": "gemini-2.5-flash",
    }
    assert [each["epoch"] for each in done["tunedModel"]["checkpoints"]] == ["1", "2"]
    stats = done["tuningDataStats"]["supervisedTuningDataStats"]
    assert stats["tuningDatasetExampleCount"] == "30"
    assert done["tunedModel"]["model"] == parent["tunedModel"]["model"].replace("@1", "@2")
    endpoint = done["tunedModel"]["endpoint"]
    assert (ask(emulator, endpoint, HAPPY), ask(emulator, endpoint, RAINY)) == ("GOOD", "RAIN")
    assert ask(emulator, parent["tunedModel"]["endpoint"], RAINY) != "RAIN"


def test_newer_rows_of_a_prompt_replace_older_ones() -> None:
    old = [Example("a", "1", []), Example("b", "1", []), Example("a", "2", [])]
    new = [Example("b", "3", []), Example("b", "4", [])]
    joined = [(each.prompt, each.target) for each in join_examples([old, new])]
    assert joined == [("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")]


def test_a_checkpoint_is_gone_on_from_under_a_name_of_its_own(
    emulator: EmulatorProcess, genai: Any, parent: dict[str, Any]
) -> None:
    uri = upload(emulator, labelled(good="YES", bad="NO"), name="again.jsonl")
    model = parent["tunedModel"]["model"].partition("@")[0]
    job = tune_on(
        genai, model, uri, pre_tuned_model_checkpoint_id="1", tuned_model_display_name="second"
    )
    done = finish(emulator, job.name)

    assert done["preTunedModel"]["checkpointId"] == "1"
    assert done["tunedModel"]["model"].partition("@")[0] != model
    assert done["tunedModel"]["model"].endswith("@1")
    # The prompts are the parent's own, so the newer targets stand in for the older.
    assert ask(emulator, done["tunedModel"]["endpoint"], HAPPY) == "YES"


def test_versions_are_listed_and_the_newest_is_the_default(
    emulator: EmulatorProcess, tunings: Any, weather: str
) -> None:
    from google.cloud import aiplatform_v1 as v1

    uri = upload(emulator, labelled(good="A", bad="B"), name="versions.jsonl")
    first = finish(emulator, create(emulator, order(uri))["name"])["tunedModel"]
    job = v1.TuningJob(
        pre_tuned_model=v1.PreTunedModel(tuned_model_name=first["model"]),
        supervised_tuning_spec=v1.SupervisedTuningSpec(training_dataset_uri=weather),
    )
    made = tunings.create_tuning_job(parent=PARENT, tuning_job=job, timeout=300)
    finish(emulator, made.name)
    models = rest_client(emulator, v1.ModelServiceClient)
    name = first["model"].partition("@")[0]

    versions = list(models.list_model_versions(name=name, timeout=300))
    assert [each.version_id for each in versions] == ["2", "1"]
    assert models.get_model(name=name, timeout=300).version_id == "2"
    older = models.get_model(name=f"{name}@1", timeout=300)
    assert (older.version_id, list(older.version_aliases)) == ("1", [])
    listed = [each.name for each in models.list_models(parent=PARENT, timeout=300)]
    assert listed.count(name) == 1
    with pytest.raises(NotFound):
        models.get_model(name=f"{name}@3", timeout=300)
    models.transport.close()


def test_what_a_tuned_model_learned_outlives_its_file(
    emulator: EmulatorProcess, genai: Any, weather: str
) -> None:
    uri = upload(emulator, labelled(good="UP", bad="DOWN"), name="gone.jsonl")
    model = finish(emulator, create(emulator, order(uri))["name"])["tunedModel"]["model"]
    upload(emulator, jsonl([row("other", "text")]), name="gone.jsonl")
    done = finish(emulator, tune_on(genai, model, weather).name)
    assert ask(emulator, done["tunedModel"]["endpoint"], HAPPY) == "UP"


def test_a_model_that_is_not_there_is_refused(
    parent: dict[str, Any], tunings: Any, weather: str
) -> None:
    from google.cloud import aiplatform_v1 as v1

    def order_on(name: str, checkpoint: str = "", *, location: str = "us-central1") -> None:
        job = v1.TuningJob(
            pre_tuned_model=v1.PreTunedModel(tuned_model_name=name, checkpoint_id=checkpoint),
            supervised_tuning_spec=v1.SupervisedTuningSpec(training_dataset_uri=weather),
        )
        place = f"projects/lab/locations/{location}"
        tunings.create_tuning_job(parent=place, tuning_job=job, timeout=300)

    model = parent["tunedModel"]["model"]
    with pytest.raises(BadRequest, match="was not found"):
        order_on(model.replace("@1", "@9"))
    with pytest.raises(BadRequest, match="must be one of 1, 2"):
        order_on(model, "7")
    with pytest.raises(BadRequest, match="not tuned in europe-west4"):
        order_on(model, location="europe-west4")


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_rebasing_is_said_to_be_unserved(
    emulator: EmulatorProcess, tunings: Any, parent: dict[str, Any]
) -> None:
    from google.cloud import aiplatform_v1 as v1

    reference = v1.TunedModelRef(tuning_job=parent["name"])
    with pytest.raises(MethodNotImplemented, match="rebase"):
        tunings.rebase_tuned_model(parent=PARENT, tuned_model_ref=reference, timeout=300)

    async def rebase() -> None:
        client = rest_client(emulator, v1.GenAiTuningServiceAsyncClient, transport="rest_asyncio")
        try:
            await client.rebase_tuned_model(parent=PARENT, tuned_model_ref=reference, timeout=300)
        finally:
            await client.transport.close()

    with pytest.raises(MethodNotImplemented):
        in_event_loop(rebase())
