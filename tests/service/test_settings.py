"""Settings as the environment gives them."""

import pytest
from pydantic import SecretStr

from service.container import Container
from service.errors import Invalid
from service.jobs.paid_operations.pace import operation_pace
from service.settings import Settings, read_settings


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_that_is_empty_counts_as_unset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"TUNECURVE_{name.upper()}", raising=False)
    default = getattr(Settings(_env_file=None), name)
    monkeypatch.setenv(f"TUNECURVE_{name.upper()}", "")

    assert getattr(Settings(_env_file=None), name) == default


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://redis:6379/0", "redis://:p%40ss%2Fw%23rd@redis:6379/0"),
        ("rediss://redis/1", "rediss://:p%40ss%2Fw%23rd@redis/1"),
        ("redis://:own@redis/1", "redis://:own@redis/1"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_the_password_of_redis_may_hold_any_character(url: str, expected: str) -> None:
    settings = Settings(_env_file=None, redis_url=url, redis_password=SecretStr("p@ss/w#rd"))

    assert settings.resolved_redis_url == expected
    assert Settings(_env_file=None, redis_url=url).resolved_redis_url == url


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("", True),
        ("http://127.0.0.1:8099", True),
        ("http://[::1]:8099", True),
        ("http://localhost:8099", True),
        ("http://emulator:8099", True),
        ("http://10.1.2.3", True),
        ("http://emulator.team.svc", True),
        ("https://us-central1-aiplatform.googleapis.com", True),
        ("https://europe-west4-aiplatform-team.p.googleapis.com", True),
        ("https://evil.example", False),
        ("https://googleapis.com.evil.example", False),
        ("https://evilgoogleapis.com", False),
        ("https://me@evil.example#.googleapis.com", False),
        ("https://127.0.0.1:8099", False),
        ("http://8.8.8.8", False),
        ("http://emulator.example.com", False),
        ("ftp://emulator", False),
        ("emulator:8099", False),
    ],
)
def test_only_google_gets_its_tokens_and_only_inner_networks_rows_in_clear_text(
    address: str,
    taken: bool,  # noqa: FBT001  a table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNECURVE_VERTEX_ENDPOINT", address)

    if taken:
        assert read_settings().vertex_endpoint == address
        return
    with pytest.raises(Invalid, match="TUNECURVE_VERTEX_ENDPOINT: an emulator is") as refused:
        read_settings()
    assert address not in refused.value.message


def test_every_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNECURVE_LOG_LEVEL", "hunter2")
    monkeypatch.setenv("TUNECURVE_EVENT_DAYS", "-1")
    with pytest.raises(Invalid) as refused:
        read_settings()

    assert [fault.pointer for fault in refused.value.faults] == [
        "TUNECURVE_EVENT_DAYS",
        "TUNECURVE_LOG_LEVEL",
    ]
    assert "is to be 'debug', 'info', 'warning' or 'error'" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_a_time_to_settle_that_google_may_outlast_is_refused_and_an_emulators_shortens_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNECURVE_SETTLE_SECONDS", "39")
    with pytest.raises(Invalid, match="TUNECURVE_SETTLE_SECONDS is to be at least 40"):
        Container(read_settings())
    monkeypatch.setenv("TUNECURVE_VERTEX_ENDPOINT", "http://127.0.0.1:9")
    assert operation_pace(read_settings()).submit_seconds == 26
    monkeypatch.setenv("TUNECURVE_SETTLE_SECONDS", "60")
    assert operation_pace(read_settings()).submit_seconds == 30
