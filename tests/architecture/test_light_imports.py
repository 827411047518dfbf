"""What starts in front of a person or a load balancer imports no SDK: those cost seconds each."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.support.serving import serving

HEAVY = {"google", "evaluate", "datasets", "torch", "transformers", "celery", "workers"}
# Of the extra `local`: only a process that trains or asks a model on this machine imports them.
LOCAL_MODELS = {"accelerate", "peft", "safetensors", "tokenizers", "torch", "transformers"}
# Only a process that prepares a dataset imports them: 25 MB and half a second each time.
TABLES = {"_polars_runtime_32", "polars", "pyarrow", "rensa"}
_PARSER = {"annotated_doc", "shellingham", "typer", "typing_extensions"}

# Some packages put `google` into every interpreter by a .pth file; that one is free.
_REPORT = """
import sys
bare = set(sys.modules)
try:
    {statement}
finally:
    import json
    print(json.dumps(sorted(set(sys.modules) - bare)), file=sys.stderr)
"""
_APPLICATION = "import api.app, service.settings; api.app.create_app(service.settings.Settings())"
_COMMAND_LINE = (
    "import runpy; sys.argv = {argv!r}; runpy.run_module('tunecurve', run_name='__main__')"
)


class _NoJobs(BaseHTTPRequestHandler):
    """A server with an empty list of jobs."""

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [], "has_more": False, "next": None}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoJobs)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def _run(
    arguments: list[str], *, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "TUNECURVE_DATA_DIR": str(folder / "data"),
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _imported(
    statement: str, *, folder: Path, environment: dict[str, str] | None = None
) -> set[str]:
    """Return every module that the statement adds to a fresh interpreter."""
    script = _REPORT.format(statement=statement)
    finished = _run(["-c", script], folder=folder, environment=environment)
    assert finished.returncode == 0, finished.stderr
    return set(json.loads(finished.stderr.splitlines()[-1]))


def _packages(imported: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in imported}


def test_the_api_starts_without_any_sdk(tmp_path: Path) -> None:
    imported = _imported(_APPLICATION, folder=tmp_path)

    assert "api.app" in imported
    assert _packages(imported) & (HEAVY | TABLES) == set()


def test_a_worker_of_whatever_queue_starts_without_pytorch_and_tables(tmp_path: Path) -> None:
    statement = "import workers.__main__; workers.__main__.load_app([]).finalize()"
    imported = _imported(statement, folder=tmp_path)

    assert "service.tuning.local_tuning" in imported
    assert "service.inference.generators.local" in imported
    assert _packages(imported) & (LOCAL_MODELS | TABLES) == set()


def test_a_worker_that_tunes_loads_one_service_of_the_hundred_of_googles_client(
    tmp_path: Path,
) -> None:
    package = "google.cloud.aiplatform_v1"
    imported = _imported("import service.tuning.providers.vertex", folder=tmp_path)
    services = {name for name in imported if name.startswith(f"{package}.services.")}

    assert f"{package}.types.tuning_job" in imported
    assert {name.split(".")[4] for name in services} == {"gen_ai_tuning_service"}


def test_every_name_of_googles_client_is_there_when_it_is_asked_for(tmp_path: Path) -> None:
    statement = """
from service.inference.batches.aiplatform import v1
from google.cloud.aiplatform_v1 import JobServiceClient, TuningJob
from google.cloud.aiplatform_v1.types import TuningJob as same
from google.cloud.aiplatform_v1.types.tuning_job import TuningJob as defined
assert v1.TuningJob is TuningJob is same is defined
assert v1.JobServiceClient is JobServiceClient
assert not hasattr(v1, "NoSuchName")
"""
    packages = _packages(_imported(f"exec({statement!r})", folder=tmp_path))

    assert "google" in packages


def test_a_preview_starts_without_the_database_and_tables(tmp_path: Path) -> None:
    imported = _imported("import service.datasets.preview.worker", folder=tmp_path)

    assert "service.datasets.preview.preset_fit" in imported
    assert _packages(imported) & (HEAVY | TABLES | {"sqlalchemy"}) == set()


def test_a_reader_of_parquet_starts_without_schemas(tmp_path: Path) -> None:
    """Each file has a process of its own, and pydantic would be a quarter of its computing."""
    statement = "import service.datasets.ingestion.parquet_worker"

    assert "pydantic" not in _packages(_imported(statement, folder=tmp_path))


def test_help_is_printed_without_any_sdk(tmp_path: Path) -> None:
    imported = _imported(_COMMAND_LINE.format(argv=["tunecurve", "--help"]), folder=tmp_path)

    assert "tunecurve.cli" in imported
    assert _packages(imported) & HEAVY == set()


def test_jobs_are_listed_without_any_sdk(tmp_path: Path, server_url: str) -> None:
    imported = _imported(
        _COMMAND_LINE.format(argv=["tunecurve", "jobs"]),
        folder=tmp_path,
        environment={"TUNECURVE_URL": server_url, "TUNECURVE_KEY": "a-key"},
    )

    assert "tunecurve.client" in imported
    assert _packages(imported) & HEAVY == set()


def test_help_needs_only_the_parser_of_commands(tmp_path: Path) -> None:
    statement = _COMMAND_LINE.format(argv=["tunecurve", "--help"])
    packages = _packages(_imported(statement, folder=tmp_path))

    # No HTTP library and no table of colours: each would double the time that help takes.
    assert packages - sys.stdlib_module_names - _PARSER == {"tunecurve"}
