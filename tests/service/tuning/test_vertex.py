"""What the adapter asks of Vertex AI, and what it makes of the answers."""

import json

import pytest

from service.errors import Invalid, NotFound, Unavailable
from service.jobs.paid_operations.states import OperationState
from service.tuning.ports import Hyperparameters, TuningRequest
from service.tuning.providers.vertex import open_vertex
from service.tuning.providers.vertex_answers import read_tuning
from tests.support.emulator import EmulatorProcess


def request(run_id: str, **more: object) -> TuningRequest:
    values = {
        "project_id": "proj_1",
        "run_id": run_id,
        "base_model": "gemini-3.1-flash-lite",
        "training_uri": "gs://nowhere/rows.jsonl",
        "validation_uri": None,
        "display_name": "a test",
        "hyperparameters": Hyperparameters(epochs=4, learning_rate_multiplier=2.0, adapter_size=4),
    }
    return TuningRequest(**(values | more))  # type: ignore[arg-type]


def test_a_missing_project_says_which_variable_to_set() -> None:
    with pytest.raises(Invalid, match="TUNECURVE_GOOGLE_CLOUD_PROJECT"):
        open_vertex(project="", location="us-central1", endpoint="")


def test_a_refused_request_carries_the_providers_words(emulator: EmulatorProcess) -> None:
    vertex = open_vertex(project="p", location="us-central1", endpoint=emulator.url)
    with pytest.raises(Invalid, match="JSONL") as caught:
        vertex.submit(request("tun_1", training_uri="gs://nowhere/rows.txt"))
    assert caught.value.code == "provider_refused"


def test_an_unknown_tuning_is_not_found(emulator: EmulatorProcess) -> None:
    vertex = open_vertex(project="p", location="us-central1", endpoint=emulator.url)
    with pytest.raises(NotFound) as caught:
        vertex.poll("projects/p/locations/us-central1/tuningJobs/1")
    assert caught.value.code == "tuning_not_found"
    assert not vertex.find("tun_nobody")


def test_a_server_that_is_away_is_unavailable() -> None:
    vertex = open_vertex(project="p", location="us-central1", endpoint="http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        vertex.find("tun_1")


def test_an_answer_keeps_counts_and_drops_the_users_examples() -> None:
    reported = read_tuning(
        {
            "name": "projects/1/locations/us/tuningJobs/2",
            "state": "JOB_STATE_SUCCEEDED",
            "baseModel": "gemini-3.1-flash-lite",
            "tunedModel": {"model": "m", "endpoint": "projects/1/locations/us/endpoints/3"},
            "supervisedTuningSpec": {
                "hyperParameters": {"epochCount": "10", "adapterSize": "ADAPTER_SIZE_FOUR"}
            },
            "tuningDataStats": {
                "supervisedTuningDataStats": {
                    "tuningDatasetExampleCount": "500",
                    "totalBillableTokenCount": "255243",
                    "userDatasetExamples": [{"parts": [{"text": "my name is Ann"}]}],
                }
            },
        }
    )
    assert reported.state is OperationState.SUCCEEDED
    assert reported.statistics["tuning_dataset_example_count"] == 500
    assert reported.training_tokens == 255243
    assert reported.hyperparameters == {"epochs": 10, "adapter_size": 4}
    assert "Ann" not in json.dumps(
        [reported.statistics, reported.hyperparameters, reported.checkpoints]
    )


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        ("JOB_STATE_QUEUED", OperationState.ACCEPTED),
        ("JOB_STATE_PENDING", OperationState.ACCEPTED),
        ("JOB_STATE_RUNNING", OperationState.ACCEPTED),
        ("JOB_STATE_PAUSED", OperationState.ACCEPTED),
        ("JOB_STATE_CANCELLING", OperationState.ACCEPTED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", OperationState.SUCCEEDED),
        ("JOB_STATE_EXPIRED", OperationState.FAILED),
        ("JOB_STATE_CANCELLED", OperationState.CANCELLED),
        ("a state of next year", OperationState.ACCEPTED),
    ],
)
def test_states_are_ours(state: str, ours: OperationState) -> None:
    assert read_tuning({"state": state}).state is ours


def test_scores_of_the_providers_own_evaluations_are_read_by_checkpoint() -> None:
    found = read_tuning(
        {
            "state": "JOB_STATE_SUCCEEDED",
            "evaluateDatasetRuns": [
                {
                    "checkpointId": "2",
                    "evaluateDatasetResponse": {
                        "aggregationOutput": {
                            "aggregationResults": [
                                {
                                    "aggregationMetric": "AVERAGE",
                                    "exactMatchMetricValue": {"score": 0.5},
                                },
                                {
                                    "aggregationMetric": "P95",
                                    "pointwiseMetricResult": {"score": 4, "explanation": "Ann"},
                                },
                                {"bleuMetricValue": {"score": "NaN"}},
                                {"rougeMetricValue": None},
                                "?",
                            ]
                        },
                        "outputInfo": {"gcsOutputDirectory": "gs://b/e"},
                    },
                },
                {"error": {"code": 13, "message": "It failed"}},
                None,
            ],
        }
    ).evaluations

    assert found == (
        {
            "checkpoint": "2",
            "scores": [
                {"metric": "exact_match", "aggregation": "average", "value": 0.5},
                {"metric": "pointwise", "aggregation": "p95", "value": 4.0},
            ],
            "output_uri": "gs://b/e",
            "error": None,
        },
        {"checkpoint": None, "scores": [], "output_uri": None, "error": "It failed"},
    )
    assert read_tuning({"evaluateDatasetRuns": {"a": 1}}).evaluations == ()
