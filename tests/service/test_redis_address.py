"""One reading of a Redis address: both libraries see the same server, database and certificate."""

import ssl
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from kombu import Connection

from service.errors import Invalid
from service.redis_address import RedisAddress

_ASKED = ("host", "port", "db", "path", "username", "password", "ssl_cert_reqs", "ssl_ca_certs")


def by_redis(address: RedisAddress) -> dict[str, Any]:
    pool = redis.ConnectionPool.from_url(address.url)
    return _given(pool.connection_kwargs)


def by_celery(address: RedisAddress) -> dict[str, Any]:
    connection: Any = Connection(address.broker_url)
    channel: Any = object.__new__(connection.transport.Channel)  # to connect takes a server
    channel.connection = SimpleNamespace(client=connection, default_port=6379)
    return _given(channel._connparams())


def _given(found: dict[str, Any]) -> dict[str, Any]:
    given = {name: found[name] for name in _ASKED if found.get(name) not in (None, "")}
    verify = {ssl.CERT_REQUIRED: "required", ssl.CERT_OPTIONAL: "optional", ssl.CERT_NONE: "none"}
    if "ssl_cert_reqs" in given:
        given["ssl_cert_reqs"] = verify.get(given["ssl_cert_reqs"], given["ssl_cert_reqs"])
    return given


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("redis://h:1/5", {"host": "h", "port": 1, "db": 5}),
        ("redis://h:1?db=5", {"host": "h", "port": 1, "db": 5}),
        ("redis://u:p%40s@h:1/0", {"username": "u", "password": "p@s", "host": "h", "port": 1}),
        ("unix:///s.sock?db=2", {"path": "/s.sock", "db": 2}),
        ("redis+socket:///s.sock?virtual_host=2", {"path": "/s.sock", "db": 2}),
        ("rediss://h:1/0", {"host": "h", "port": 1, "ssl_cert_reqs": "required"}),
        (
            "rediss://h:1/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem",
            {"host": "h", "port": 1, "ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
        ),
        ("rediss://h:1/0?ssl_cert_reqs=none", {"host": "h", "port": 1, "ssl_cert_reqs": "none"}),
    ],
)
def test_both_libraries_read_the_same(address: str, seen: dict[str, Any]) -> None:
    read = RedisAddress(address)
    expected = {"db": 0, **seen}
    assert by_redis(read) == expected
    assert by_celery(read) == expected


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("amqp://u:secret@h", "no Redis address has the scheme 'amqp'"),
        ("redis://h/secret", "is no number of a database"),
        ("redis://h/1?db=2", "it names two databases"),
        ("redis://h/0?socket_timeout=secret", "unknown parameter 'socket_timeout'"),
        ("redis://h/0?ssl_cert_reqs=none", "ssl_cert_reqs goes with rediss://"),
        ("rediss://h/0?ssl_cert_reqs=secret", "one of required, optional, none"),
    ],
)
def test_what_only_one_of_them_would_take_is_refused(address: str, words: str) -> None:
    with pytest.raises(Invalid, match="known: redis://") as caught:
        RedisAddress(address)
    assert words in caught.value.message
    assert caught.value.code == "invalid_redis_url"
