"""Many small jobs on one stack: 200 evaluations of 20 rows, 1,000 preparations of 50 rows.

    .venv/bin/python -m bench.jobs.small [--evaluations 200] [--preparations 1000]

Prints for each kind how many a second have ended, by the database's clock, with the CPU that the
workers spent on one job; and how long a job of 20 rows takes when it is alone.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.workers.cpu import cpu_seconds
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job
from service.jobs.operations import Request, submit_job
from service.jobs.queries import job_states
from service.migrations.upgrade import upgrade
from tests.support.eventually import eventually
from tests.support.stack import Stack, start_stack

PREPARE = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 50, "seed": 1},
    "train_sizes": [20],
    "test_size": 20,
}
_PATIENCE_SECONDS = 1800


def main() -> None:
    """Start a stack on SQLite and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--preparations", type=int, default=1000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    database_url = f"sqlite:///{folder / 'bench.db'}"
    upgrade(database_url)
    try:
        with start_stack(folder, database_url) as stack:
            stack.start()
            dataset = stack.succeeded(stack.submit("prepare", PREPARE).id).outputs["dataset"]
            evaluate = {"dataset": dataset, "variant": "zero_shot", "cache": False}
            _burst(stack, "evaluate", evaluate, count=4)  # imports what workers need
            alone = stack.succeeded(stack.submit("evaluate", evaluate).id)
            print(f"one evaluation of 20 rows alone: {_seconds([alone]):.2f} s")
            for kind, spec, count in (
                ("evaluate", evaluate, options.evaluations),
                ("prepare", PREPARE, options.preparations),
            ):
                if count:
                    print(_burst(stack, kind, spec, count=count), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _burst(stack: Stack, kind: str, spec: Mapping[str, Any], *, count: int) -> str:
    """Submit `count` jobs at once and return a line about them."""
    before = cpu_seconds(each.pid for each in stack.workers)
    ids = [_submit(stack, kind, spec) for _ in range(count)]
    eventually(
        lambda: not OPEN & set(job_states(ids, sessions=stack.services.sessions).values()),
        seconds=_PATIENCE_SECONDS,
        pause=0.5,
        what="the jobs have not ended",
    )
    jobs = [stack.job(job_id) for job_id in ids]
    if any(job.state != State.SUCCEEDED for job in jobs):
        raise SystemExit(f"some have failed: {[job.error for job in jobs if job.error][:3]}")
    cpu = (cpu_seconds(each.pid for each in stack.workers) - before) / count * 1000
    rate = count / _seconds(jobs)
    return f"{count} jobs of kind {kind}: {rate:.1f} a second, {cpu:.0f} ms of CPU each"


def _submit(stack: Stack, kind: str, spec: Mapping[str, Any]) -> str:
    request = Request(
        kind=kind,
        spec=stack.services.kinds[kind].spec.model_validate(spec),
        labels={},
        project_id=stack.project_id,
    )
    return submit_job(request, services=stack.services.jobs, open_jobs_limit=100_000)[0].id


def _seconds(jobs: Sequence[Job]) -> float:
    """Return the time from the first submission to the last end."""
    ends: list[datetime] = [job.finished_at for job in jobs if job.finished_at]
    return (max(ends) - min(job.created_at for job in jobs)).total_seconds()


if __name__ == "__main__":
    main()
