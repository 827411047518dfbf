"""Creating tunings and batches fails as calls do, seen through Google's clients."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from google.api_core.exceptions import InternalServerError, ServiceUnavailable
from google.cloud import aiplatform_v1

from tests.emulator.clients import rest_client
from tests.emulator.examples import labelled, upload
from tests.emulator.test_batch import line
from tests.support.emulator import EmulatorProcess

PARENT = "projects/lab/locations/us-central1"
MODEL = "gemini-2.5-flash"
LOST = requests.exceptions.ConnectionError


class Creations:
    """One kind of what can be created, by Google's client."""

    def __init__(self, create: Callable[[], Any], count: Callable[[], int]) -> None:
        self.create, self.count = create, count


@pytest.fixture(params=["tunings", "batches"])
def creations(emulator: EmulatorProcess, request: pytest.FixtureRequest) -> Iterator[Creations]:
    emulator.reset()
    emulator.configure(tuning_seconds=0, batch_seconds=0)
    tunings = rest_client(emulator, aiplatform_v1.GenAiTuningServiceClient)
    jobs = rest_client(emulator, aiplatform_v1.JobServiceClient)
    data = upload(emulator, labelled(good="GOOD", bad="BAD"), name="labelled.jsonl")
    rows = upload(emulator, line(), name="rows.jsonl")
    tuning = {"base_model": MODEL, "supervised_tuning_spec": {"training_dataset_uri": data}}
    batch = {
        "display_name": "batch",
        "model": f"publishers/google/models/{MODEL}",
        "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": [rows]}},
        "output_config": {
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": "gs://data/answers"},
        },
    }
    kinds = {
        "tunings": Creations(
            lambda: tunings.create_tuning_job(parent=PARENT, tuning_job=tuning, timeout=300),
            lambda: len(list(tunings.list_tuning_jobs(parent=PARENT))),
        ),
        "batches": Creations(
            lambda: jobs.create_batch_prediction_job(
                parent=PARENT, batch_prediction_job=batch, timeout=300
            ),
            lambda: len(list(jobs.list_batch_prediction_jobs(parent=PARENT))),
        ),
    }
    yield kinds[request.param]
    emulator.reset()
    for client in (tunings, jobs):
        client.transport.close()


@pytest.mark.parametrize(
    ("rate", "error", "created"),
    [
        ("error_500_rate", InternalServerError, 0),
        ("error_503_rate", ServiceUnavailable, 0),
        ("drop_before_rate", LOST, 0),
        ("drop_after_rate", LOST, 1),
        ("truncate_rate", requests.exceptions.ChunkedEncodingError, 1),
    ],
)
def test_a_creation_fails_before_its_work_or_loses_its_answer_after_it(
    emulator: EmulatorProcess,
    creations: Creations,
    rate: str,
    error: type[Exception],
    created: int,
) -> None:
    emulator.configure(**{rate: 1})
    with pytest.raises(error):
        creations.create()
    assert creations.count() == created


def test_a_creation_sent_again_draws_anew(emulator: EmulatorProcess, creations: Creations) -> None:
    emulator.configure(error_503_rate=0.5, seed=1)
    refused = 0
    for _ in range(16):
        try:
            creations.create()
        except ServiceUnavailable:
            refused += 1
    assert 0 < refused < 16
    assert creations.count() == 16 - refused
