"""Settings as the environment gives them."""

import pytest
from pydantic import SecretStr

from service.settings import Settings


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
