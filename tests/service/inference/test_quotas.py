"""Which quota is meant for a model: the most exact name wins, the rest is as for all."""

import pytest
from pydantic import ValidationError

from service.inference.governor import quota_key, quota_of
from service.inference.ports import Quota
from service.settings import Settings


def settings_of(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(f"TUNECURVE_{name.upper()}", value)
    return Settings(_env_file=None)


def test_nothing_said_is_an_unknown_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, quotas="")
    assert quota_of(settings, location="us-central1", base_model="m") == Quota()


def test_the_most_exact_name_wins_and_the_rest_is_as_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_of(
        monkeypatch,
        requests_per_minute="600",
        burst_seconds="1",
        quotas='{"m": {"tokens_per_minute": 9000}, "eu/m": {"requests_per_minute": 0}}',
    )
    assert quota_of(settings, location="us", base_model="m") == Quota(600, 9000, 1)
    assert quota_of(settings, location="eu", base_model="m") == Quota(0, 0, 1)
    assert quota_of(settings, location="us", base_model="n") == Quota(600, 0, 1)


@pytest.mark.parametrize("spelling", ["m@default", "m-001", "m@x_1.2"])
def test_a_version_has_no_quota_of_its_own(monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    for named in ("m", spelling):
        settings = settings_of(monkeypatch, quotas=f'{{"us/{named}": {{"in_flight": 3}}}}')
        assert quota_of(settings, location="us", base_model=spelling) == Quota(in_flight=3)
    keys = {quota_key("p", location="us", base_model=name) for name in ("m", spelling)}
    assert keys == {"quota:p/us/m"}


@pytest.mark.parametrize("quotas", ['{"m": {"rpm": 5}}', '{"m": {"in_flight": -1}}', "[1]"])
def test_what_is_no_quota_is_refused(monkeypatch: pytest.MonkeyPatch, quotas: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(monkeypatch, quotas=quotas)
