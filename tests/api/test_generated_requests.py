"""Some hundreds of generated requests: every answer is one that the contract has.

`bench/api/contract.py` sends as many as one likes.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.api.outputs import finished_evaluation, finished_experiment, prepared_dataset
from tests.api.server import Api, serve
from tests.support.generated_requests import check_operation, operations_of
from tests.support.redis import start_redis

COUNT = 6


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    with (
        start_redis() as redis,
        serve(settings.model_copy(update={"redis_url": redis.url})) as served,
    ):
        yield served


def test_every_answer_is_one_of_the_contract(api: Api) -> None:
    caller = api.caller()
    dataset = prepared_dataset(api, caller)["id"]
    ids = {
        "dataset_id": dataset,
        "job_id": caller.get("/v1/jobs").json()["data"][0]["id"],
        "evaluation_id": finished_evaluation(api, caller, dataset),
        "experiment_id": finished_experiment(api, caller, dataset),
        "file_id": caller.upload(b"text,target\ngood,positive\n").json()["id"],
    }

    for operation in operations_of(api.app.openapi()):
        check_operation(operation, url=api.url, secret=caller.secret, ids=ids, count=COUNT)
