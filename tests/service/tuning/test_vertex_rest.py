"""Requests to Vertex AI's REST surface go by the proxy that the environment names."""

import pytest

from bench.jobs.tuning_server import PARENT, serve_tunings
from service.tuning.providers.vertex_rest import get_json, open_rest_session


def test_a_tuning_is_read_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve_tunings(1) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        session = open_rest_session(endpoint=proxy.url, account="")
        name = f"{PARENT}/0"
        for _ in range(2):
            assert get_json(session, f"http://vertex.invalid/v1/{name}", params={})["name"] == name
        assert proxy.calls == {"get": 2}
