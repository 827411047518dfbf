"""Where an emulator plays Google, all that is reported of scores and dollars says so."""

from typing import Any

import pytest

from service.settings import Settings
from tests.api.outputs import prepared_dataset
from tests.api.server import Api, Caller


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"vertex_endpoint": "http://127.0.0.1:9"})


def test_work_for_the_emulator_is_marked_from_its_submission_on(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    specs: dict[str, dict[str, Any]] = {
        "tune": {"train_size": int(min(dataset["training_files"]))},
        "evaluate": {"variant": "zero_shot"},
        "experiment": {},
    }
    for kind, more in specs.items():
        spec = {"dataset": dataset["id"], **more}
        plan = caller.post("/v1/jobs?dry_run=true", {"kind": kind, "spec": spec}).json()
        assert plan["synthetic"]
        job = caller.submit(kind, spec)
        assert job["cost"]["synthetic"]
        caller.post(f"/v1/jobs/{job['id']}/cancel")
        ended = caller.get(f"/v1/jobs/{job['id']}").json()
        assert (ended["state"], ended["cost"]["synthetic"]) == ("cancelled", True)
        [[role, output]] = job["outputs"].items()
        assert caller.get(f"/v1/{role}s/{output}").json()["synthetic"]
