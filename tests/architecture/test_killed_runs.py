"""A test run that is killed leaves no server behind."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.processes import ROOT, inherited

RUN = """
import os, signal, sys
from pathlib import Path
from tests.support.postgres import ending_with_tests
from tests.support.redis import start_redis
with ending_with_tests(Path(sys.argv[1])), start_redis() as redis:
    print(redis.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process ends with its parent on Linux")
def test_a_killed_run_takes_its_postgresql_and_its_redis_along(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    # As PostgreSQL, which takes the signal although a shell's background job ignores it.
    words = ["env", "--default-signal=QUIT", "sleep", "600"]
    with subprocess.Popen(words, cwd=folder) as server:
        (folder / "postmaster.pid").write_text(f"{server.pid}\n5432\n")
        words = [sys.executable, "-c", RUN, str(folder)]
        run = subprocess.run(words, cwd=ROOT, env=inherited(), stdout=subprocess.PIPE, check=False)

    assert run.returncode == -signal.SIGKILL
    assert server.returncode == -signal.SIGQUIT
    eventually(lambda: not folder.exists(), what="the server's folder is still there")
    eventually(lambda: not psutil.pid_exists(int(run.stdout)), what="Redis still runs")
