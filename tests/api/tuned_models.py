"""Tuned models for the API to show, tuned by the emulator as a worker would have it tune."""

import json
from typing import Any

from service.clock import utc_now
from service.tuning.models import TunedModel
from service.tuning.providers.vertex_answers import read_tuning
from tests.api.server import Api, Caller
from tests.emulator.clients import rest_client
from tests.emulator.examples import labelled, upload
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

GOOD, BAD = "a splendid and happy day", "a dreadful and sorry day"
BASE_MODEL = "gemini-3.1-flash-lite"


def tuned_model(
    api: Api, caller: Caller, dataset: str, *, emulator: EmulatorProcess, train_size: int = 20
) -> str:
    """Return the id of a ready model that knows a good day from a bad one."""
    job = caller.submit("tune", {"dataset": dataset, "train_size": train_size})
    model_id: str = job["outputs"]["model"]
    result = _tuned(emulator)
    with api.services.sessions.transaction() as session:
        row = session.get_one(TunedModel, model_id)
        row.fill(result, synthetic=True)
        row.ready_at = utc_now()
    return model_id


def _tuned(emulator: EmulatorProcess) -> dict[str, Any]:
    """Have the emulator tune on forty rows; return what the model's row takes."""
    from google.cloud import aiplatform_v1 as v1

    client = rest_client(emulator, v1.GenAiTuningServiceClient)
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="days.jsonl")
    spec = v1.SupervisedTuningSpec(
        training_dataset_uri=uri,
        hyper_parameters=v1.SupervisedHyperParameters(epoch_count=2),
    )
    job = v1.TuningJob(base_model=BASE_MODEL, supervised_tuning_spec=spec)
    made = client.create_tuning_job(
        parent="projects/lab/locations/us-central1", tuning_job=job, timeout=300
    )

    def ended() -> Any:
        found = client.get_tuning_job(name=made.name, timeout=300)
        return found if found.state.name == "JOB_STATE_SUCCEEDED" else None

    found = read_tuning(
        json.loads(v1.TuningJob.to_json(eventually(ended), use_integers_for_enums=False))
    )
    client.transport.close()
    return {
        "base_model": found.base_model,
        "model": found.model,
        "endpoint": found.endpoint,
        "checkpoints": list(found.checkpoints),
        "statistics": dict(found.statistics),
        "hyperparameters": dict(found.hyperparameters),
    }
