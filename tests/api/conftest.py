"""An API on each database, its objects in a temporary folder and its broker away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.settings import Settings
from tests.api.server import Api, Caller, serve


@pytest.fixture
def settings(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The settings of the API, with those that a test names as its parameter."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=database_url,
        redis_url="unix:///nonexistent/redis.sock",
        storage=f"file:{tmp_path / 'objects'}",
        master_key=SecretStr("a master key for tests only"),
        webhook_allow_networks=("127.0.0.0/8",),
        open_jobs_limit=8,
        upload_bytes_limit=64 << 20,
        **getattr(request, "param", {}),
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    with serve(settings) as served:
        yield served


@pytest.fixture
def caller(api: Api) -> Caller:
    return api.caller()
