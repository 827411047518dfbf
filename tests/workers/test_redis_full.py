"""Redis that refuses writes ends no worker."""

import pytest

from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

PREPARE = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 120, "seed": 1},
    "train_sizes": [10],
    "test_size": 10,
}


def connections_lost(stack: Stack) -> int:
    logs = [worker.log.read_text() for worker in stack.workers]
    return sum(log.count("Connection to broker lost") for log in logs)


def test_a_worker_outlives_a_redis_that_is_full_and_hears_again(stack: Stack) -> None:
    stack.succeeded(stack.submit("prepare", PREPARE).id)
    before = connections_lost(stack)
    with stack.redis.client() as client:
        client.config_set("maxmemory", 1)
        # connecting anew, each is refused what it writes first
        client.client_kill_filter(_type="normal", skipme=True)
        eventually(lambda: connections_lost(stack) >= before + 4, what="no connection was lost")
        client.config_set("maxmemory", 0)
    assert all(worker.is_alive() for worker in stack.workers)
    stack.succeeded(stack.submit("prepare", {**PREPARE, "test_size": 11}).id)
