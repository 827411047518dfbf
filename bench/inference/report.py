"""The results as a chapter of docs/benchmarks.md: the machine, then each scenario."""

import os
import platform
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import psutil

from bench.inference.measurements import Measurement, table
from bench.inference.thresholds import judge_all

BEGIN, END = "<!-- inference: written by bench/inference/quota.py -->", "<!-- /inference -->"

ABOUT = {
    "steady": "2,000 prompts, 6,000 requests a minute, latency 0.2 s (median; p99 1 s), one"
    " worker. The four threads get a tenth of the rows, and an ideal for those.",
    "slow": "2,000 prompts, 1,200 requests a minute, latency 0.8 s (p99 4 s), one worker. The"
    " slowest calls decide: among 400 prompts even the oracle's makespans differ by 7 %, here by"
    " 1.6 %.",
    "halved": "1,000 prompts as in `steady`; the quota halves when half of them are accepted,"
    " and 1 % of the calls are answered with 503.",
    "wrong": "800 prompts; the client assumes 6,000 requests a minute, the provider grants 3,000.",
    "unknown": "2,000 prompts as in `steady`; the client knows no quota.",
    "fleet": "2,400 prompts in five shards over four workers with one quota of 6,000 requests a"
    " minute; one worker is ended by `kill -9` when half of them are accepted. Of the baseline's"
    " four processes the one that is killed is started again at once.",
    "tokens": "500 prompts of 50 to 5,000 tokens, 1,200,000 tokens a minute.",
    "fair": "a job of 20,000 rows, and 5 s later one of 200, under the quota of `steady`."
    " `makespan_ratio` is the small job's time by that of half the quota without a burst, which the"
    " large job has used up. Ours has two slots for shards and one left over, as docker-compose.yml"
    " has; gather runs each job in a process of its own.",
    "overhead": "5,000 prompts, no quota, no latency; ours stores every answer, gather none.",
    "memory": "no quota, no latency; peak of the largest worker process. One round.",
    "cached": "10,000 prompts that have been sent before. gather looks them up in a table in"
    " SQLite and stores no results.",
}


def machine(*, rounds: int) -> str:
    """Return one sentence on where and when this was measured."""
    memory_gb = psutil.virtual_memory().total / 1e9
    load = os.getloadavg()[0]
    return (
        f"{date.today():%Y-%m-%d}, {_processor()}, {psutil.cpu_count()} cores,"  # noqa: DTZ011
        f" {memory_gb:.0f} GB, {platform.system()}, Python {platform.python_version()};"
        f" medians of {rounds} interleaved rounds; load average {load:.1f} at the end."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def chapter(results: Mapping[str, Mapping[str, Measurement]], *, rounds: int) -> str:
    """Return the chapter: for each scenario its description, a table and the thresholds."""
    parts = [machine(rounds=rounds)]
    for scenario, found in results.items():
        thresholds = "\n".join(f"- {line}" for line in judge_all(scenario, found))
        parts.append(f"### `{scenario}`\n{ABOUT[scenario]}\n\n{table(found)}\n\n{thresholds}")
    return "\n\n".join(parts)


def write_chapter(file: Path, text: str) -> None:
    """Put a chapter between its marks, or at the end of a file that has none."""
    whole = file.read_text() if file.exists() else ""
    before, mark, rest = whole.partition(BEGIN)
    after = rest.partition(END)[2] if mark else "\n"
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
