"""What every process of the stack gets."""

from pathlib import Path

import pytest
from requests.utils import should_bypass_proxies

from tunecurve.errors import ConfigurationError
from tunecurve.stack.services import (
    Parts,
    process_environment,
    server_folder,
    stack_environment,
    uses_emulator,
)

EMULATOR = "http://127.0.0.1:5555"
GOOGLE = {"TUNECURVE_GOOGLE_CLOUD_PROJECT": "p", "TUNECURVE_STORAGE": "gs://b/x"}


def parts(emulator_url: str | None = EMULATOR) -> Parts:
    return Parts(Path("/data"), "unix:///r.sock", emulator_url, "made-master-key")


def test_with_the_emulator_nothing_has_to_be_set() -> None:
    environment = stack_environment({"PATH": "/bin"}, parts())
    assert environment["PATH"] == "/bin"
    assert environment["TUNECURVE_DATA_DIR"] == "/data"
    assert environment["TUNECURVE_REDIS_URL"] == "unix:///r.sock"
    assert environment["TUNECURVE_STORAGE"] == "gs://tunecurve/data"
    assert environment["STORAGE_EMULATOR_HOST"] == EMULATOR
    assert environment["TUNECURVE_VERTEX_ENDPOINT"] == EMULATOR
    assert environment["TUNECURVE_GOOGLE_CLOUD_PROJECT"] == "tunecurve-local"
    assert environment["TUNECURVE_MASTER_KEY"] == "made-master-key"
    assert environment["TUNECURVE_POLL_SECONDS"] == "1"
    assert environment["TUNECURVE_REQUESTS_PER_MINUTE"] == "6000"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert "TUNECURVE_DATABASE_URL" not in environment


def test_what_is_set_stays() -> None:
    chosen = {
        "TUNECURVE_STORAGE": "gs://mine/x",
        "TUNECURVE_MASTER_KEY": "mine",
        "TUNECURVE_POLL_SECONDS": "9",
        "TUNECURVE_DATABASE_URL": "postgresql://h/d",
    }
    environment = stack_environment(chosen, parts())
    assert {name: environment[name] for name in chosen} == chosen


def test_the_checkout_comes_first_on_the_import_path() -> None:
    environment = stack_environment({"PYTHONPATH": "/more"}, parts())
    assert environment["PYTHONPATH"] == f"{server_folder()}:/more"
    assert (server_folder() or Path()).joinpath("workers", "__init__.py").is_file()


def test_matrices_are_computed_in_one_thread_unless_more_are_asked_for() -> None:
    assert process_environment({})["OPENBLAS_NUM_THREADS"] == "1"
    assert process_environment({"OPENBLAS_NUM_THREADS": "4"})["OPENBLAS_NUM_THREADS"] == "4"


@pytest.mark.parametrize("exceptions", ["", "corp.example", "*"])
def test_a_proxy_is_not_asked_for_this_machine(exceptions: str) -> None:
    environment = process_environment({"http_proxy": "http://127.0.0.1:9", "NO_PROXY": exceptions})
    for name in ("NO_PROXY", "no_proxy"):
        for url in ("http://127.0.0.1:5555/storage/v1/b", "http://localhost:5555/"):
            assert should_bypass_proxies(url, no_proxy=environment[name])
        assert should_bypass_proxies("http://corp.example/", environment[name]) is bool(exceptions)
        outside = should_bypass_proxies("http://storage.example/", no_proxy=environment[name])
        assert outside is (exceptions == "*")


def test_with_real_google_nothing_points_at_an_emulator() -> None:
    environment = stack_environment(GOOGLE, parts(None))
    assert "STORAGE_EMULATOR_HOST" not in environment
    assert "TUNECURVE_VERTEX_ENDPOINT" not in environment
    assert "TUNECURVE_POLL_SECONDS" not in environment


@pytest.mark.parametrize(
    ("environment", "wanted", "expected"),
    [
        ({}, True, True),
        (GOOGLE, False, False),
        ({**GOOGLE, "TUNECURVE_VERTEX_ENDPOINT": EMULATOR}, True, False),
    ],
)
def test_the_emulator_is_left_out_on_request_or_when_there_is_another(
    environment: dict[str, str], *, wanted: bool, expected: bool
) -> None:
    assert uses_emulator(environment, enabled=wanted) is expected


def test_without_the_emulator_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"set TUNECURVE_STORAGE$"):
        uses_emulator({"TUNECURVE_GOOGLE_CLOUD_PROJECT": "p"}, enabled=False)
