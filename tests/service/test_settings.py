"""Settings as the environment gives them."""

import pytest

from service.settings import Settings


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_that_is_empty_counts_as_unset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"TUNECURVE_{name.upper()}", raising=False)
    default = getattr(Settings(_env_file=None), name)
    monkeypatch.setenv(f"TUNECURVE_{name.upper()}", "")

    assert getattr(Settings(_env_file=None), name) == default
