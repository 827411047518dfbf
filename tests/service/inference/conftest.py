"""A Redis server for the room, and adapters that are closed after each test."""

from collections.abc import Callable, Iterator

import pytest

from service.inference.generators.vertex import VertexGenerator
from service.inference.operations import shut_down
from service.inference.ports import Generator, Governor
from tests.service.inference.provider import Provider, start_provider
from tests.service.inference.result_store import Shelf
from tests.support.redis import RedisServer, start_redis

Closing = Callable[[Generator | Governor], None]


@pytest.fixture(scope="module")
def shared_redis() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis; a test that kills it starts it again."""
    if not shared_redis.is_up():
        shared_redis.start()
    shared_redis.wipe()
    return shared_redis


@pytest.fixture
def closing() -> Iterator[Closing]:
    """Register adapters here: they are closed on their loop, which then ends."""
    adapters: list[Generator | Governor] = []
    yield adapters.append
    shut_down(*adapters)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with start_provider(Provider()) as started:
        yield started


@pytest.fixture
def generator(provider: Provider, closing: Closing) -> VertexGenerator:
    made = VertexGenerator(project="p", endpoint=provider.url, timeout_seconds=120)
    closing(made)
    return made


@pytest.fixture
def shelf(generator: VertexGenerator) -> Shelf:
    return Shelf(generator)
