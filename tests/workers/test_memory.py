"""What an evaluation's worker leaves out of its memory, in a process of its own."""

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
_SAVING = """
import sys
from workers.memory import save_memory
save_memory()
save_memory()
from google.cloud import storage
from pyarrow import parquet
print({"grpc", "pandas", "cloudpickle"} & sys.modules.keys())
import cloudpickle, grpc
print("usable")
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


def test_extras_that_nobody_needs_stay_out_and_can_be_had_later(tmp_path: Path) -> None:
    told = _run(_SAVING, TUNECURVE_STORAGE="gs://tunecurve/data", TUNECURVE_DATA_DIR=str(tmp_path))
    assert told == ["set()", "usable"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sources_of_a_dataset_cost_a_process_few_megabytes() -> None:
    """Two patterns that repeat a Unicode class once took 21 MB in every process."""
    assert float(_run(_ANON_MB + _SOURCES)[0]) < 5
