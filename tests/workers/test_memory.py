"""What a worker leaves out of its memory, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_ANON_MB = """
def anon_mb():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1000
"""
_STARTING = """
import sys
from workers.__main__ import load_app
load_app([])
extras = {"rich", "cffi", "psutil", "opentelemetry", "yaml", "prompt_toolkit", "httpx2"}
print(extras & sys.modules.keys())
import rich, psutil, yaml
print("usable")
"""
_SAVING = """
import sys
from workers.memory import save_memory
save_memory(cloud_storage=True)
save_memory(cloud_storage=True)
from google.cloud import storage
print({"grpc", "opentelemetry", "charset_normalizer"} & sys.modules.keys())
import charset_normalizer, grpc
print("usable")
"""
_LIMITED = """
from service.errors import Invalid
from workers.memory import memory_limit
try:
    with memory_limit(400 << 20):
        rows = ["x" * (1 << 20) for _ in range(1000)]
except Invalid as error:
    print(error.code, "TUNECURVE_PREPARE_MEMORY_BYTES" in error.message)
print(len("x" * (500 << 20)))
"""
_SOURCES = """
import service.database, service.datasets.formats.options, service.ids
from pydantic import BaseModel, Field
class First(BaseModel):
    field: str = Field(pattern="^a$")
before = anon_mb()
import service.datasets.sources.schemas
print(anon_mb() - before)
"""


def _run(program: str, **settings: str) -> list[str]:
    env = {"PYTHONPATH": str(_ROOT), **settings}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("program", [_STARTING, _SAVING], ids=["worker", "Cloud Storage"])
def test_extras_that_nobody_needs_stay_out_and_can_be_had_later(program: str) -> None:
    assert _run(program) == ["set()", "usable"]


@pytest.mark.skipif(sys.platform != "linux", reason="others do not enforce it")
def test_a_preparation_that_outgrows_its_memory_ends_with_the_fix() -> None:
    assert _run(_LIMITED) == ["memory_limit True", str(500 << 20)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sources_of_a_dataset_cost_a_process_few_megabytes() -> None:
    """Two patterns that repeat a Unicode class once took 21 MB in every process."""
    assert float(_run(_ANON_MB + _SOURCES)[0]) < 5
