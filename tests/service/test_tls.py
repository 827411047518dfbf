"""Certificates of Redis and PostgreSQL are verified by all that connect to them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import kombu.pools
import pytest

from service.errors import Unavailable
from service.inference.operations import loop_thread
from service.inference.redis_governor import read_states
from service.redis_address import RedisAddress
from service.shared_counts import SharedCounts
from service.task_queue import CeleryTaskQueue
from tests.support.certificates import Certificates, make_certificates, tls_before
from tests.support.redis import start_redis
from tunecurve.stack.redis import redis_answers


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def port(trusted: Certificates) -> Iterator[int]:
    with (
        start_redis() as redis,
        tls_before(Path(urlsplit(redis.url).path), trusted) as opened,
    ):
        yield opened


def _sends(address: RedisAddress) -> bool:
    kombu.pools.reset()  # they tell addresses apart by host and database only
    return CeleryTaskQueue(address.broker_url).fault() is None


async def _count(url: str) -> bool:
    counts = SharedCounts(url, prefix="tls.")
    try:
        await counts.exchange({"a": 1})
    except Unavailable:
        return False
    finally:
        await counts.close()
    return True


def _reads_quotas(url: str) -> bool:
    try:
        read_states(url)
    except Unavailable:
        return False
    return True


CONNECTS: dict[str, Callable[[RedisAddress], bool]] = {
    "broker": _sends,
    "governor": lambda address: _reads_quotas(address.url),
    "counts": lambda address: loop_thread().run(_count(address.url)),
    "doctor": lambda address: redis_answers(address.url),
}


@pytest.mark.parametrize("what", CONNECTS)
def test_the_certificate_of_redis_is_verified_by_all_that_connect(
    port: int, trusted: Certificates, tmp_path: Path, what: str
) -> None:
    connects = CONNECTS[what]
    url = f"rediss://127.0.0.1:{port}/0"
    other = make_certificates(tmp_path).authority
    assert connects(RedisAddress(f"{url}?ssl_ca_certs={trusted.authority}"))
    assert connects(RedisAddress(f"{url}?ssl_cert_reqs=none"))
    assert not connects(RedisAddress(url))
    assert not connects(RedisAddress(f"{url}?ssl_ca_certs={other}"))


def test_a_certificate_that_is_not_trusted_is_named_as_the_cause(port: int) -> None:
    address = RedisAddress(f"rediss://127.0.0.1:{port}/0")
    kombu.pools.reset()
    fault = CeleryTaskQueue(address.broker_url).fault()
    assert fault == "the certificate of Redis is not one that is trusted"
