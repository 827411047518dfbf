"""The example of a model with all that the registry knows of it."""

from typing import Any

from api import examples

_RESOURCE = "projects/123/locations/us-central1/tuningJobs/456"
_ENDPOINT = "projects/123/locations/us/endpoints/789"

MODEL_DETAIL: dict[str, Any] = examples.MODEL | {
    "aliases": ["pii@best"],
    "lineage": {
        "tuning_run": {
            "id": "tun_01jd5v3q8e7z2m4n6p8r0s2t4v",
            "job": examples.JOB_ID,
            "resource": _RESOURCE,
            "state": "succeeded",
            "attached": False,
            "submitted_at": examples.CREATED,
            "finished_at": examples.READY,
        },
        "dataset": {
            "id": examples.DATASET_ID,
            "fingerprint": "5f2c…",
            "training_sha256": "a41e…",
            "validation_sha256": "09bc…",
            "train_size": 200,
        },
        "base_model": {
            "name": "gemini-3.1-flash-lite",
            "family": "gemini-3",
            "state": "tunable",
            "retires": "2027-05-07",
        },
    },
    "sdk": {
        "endpoint": _ENDPOINT,
        "location": "us",
        "project": "my-project",
        "python": "from google import genai\n…",
    },
    "retirement": {
        "retires": "2027-05-07",
        "days_left": 167,
        "due": False,
        "message": "gemini-3.1-flash-lite retires on 2027-05-07, in 167 days: models tuned from it "
        "answer no more then",
        "source": "docs.cloud.google.com",
        "as_of": "2026-09-25",
    },
}
