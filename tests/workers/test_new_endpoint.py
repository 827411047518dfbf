"""The endpoint of a model tuned a moment ago is not found a few times: the evaluation waits."""

import shutil
from pathlib import Path

import pytest

from tests.support.faulty_proxy import start_faulty_proxy
from tests.support.stack import start_stack

pytestmark = pytest.mark.journey


def test_an_endpoint_that_is_not_found_yet_is_asked_again(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    settings = {"cache_days": "0"}
    with (
        start_stack(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", settings=settings) as stack,
        start_faulty_proxy(stack.emulator.url) as proxy,
    ):
        stack.fleet.env["TUNECURVE_VERTEX_ENDPOINT"] = proxy.url
        stack.emulator.configure(tuning_seconds=0.5)
        stack.start()
        spec = {
            "preset": "pii",
            "source": {"type": "synthetic", "rows": 60, "seed": 7},
            "train_sizes": [20],
            "test_size": 5,
        }
        dataset = stack.succeeded(stack.submit("prepare", spec).id).outputs["dataset"]
        tune = {"dataset": dataset, "train_size": 20}
        model = stack.succeeded(stack.submit("tune", tune).id).outputs["model"]
        for _ in range(7):  # more than one call's tries
            proxy.answer_next("POST", 404)
        evaluate = {"dataset": dataset, "variant": "tuned", "model": model}
        job = stack.succeeded(stack.submit("evaluate", evaluate).id)
        assert job.error is None
        assert not proxy.statuses["POST"]
