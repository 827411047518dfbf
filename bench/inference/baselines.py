"""The baselines of the scenarios that are no race against a quota."""

import tempfile
import time
from pathlib import Path

from bench.inference.baseline_process import run_baseline, start_baseline
from bench.inference.measurements import Measurement
from bench.inference.quota_model import QuotaModel, ideal_seconds
from bench.inference.scenarios import PACED, numbered
from tests.support.emulator import start_emulator

FREE = QuotaModel()
FEW, MANY = 2_000, 20_000  # gather's memory grows: ten times as many rows show it


def fair(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Two processes of gather, the small one started 5 s after the large one."""
    large = numbered("large", round_number, 2_000 if quick else 20_000)
    small = numbered("small", round_number, 200)
    with (
        start_emulator(**PACED.config()) as emulator,
        start_baseline("gather", emulator.url, large) as first,
        start_baseline("gather", emulator.url, small) as second,
    ):
        for each in (first, second):
            each.until_ready()
        first.go()
        time.sleep(5)
        second.go()
        took = second.result()
        first.kill()
    ratio = took["seconds"] / ideal_seconds(PACED.share_of_two(), len(small))
    return {"gather, a process a job": _measured(took, makespan_ratio=ratio)}


def overhead(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Run gather on google-genai; it stores nothing."""
    prompts = numbered("overhead", round_number, 1_000 if quick else 5_000)
    with start_emulator(**FREE.config()) as emulator:
        return {"gather": _measured(run_baseline("gather", emulator.url, prompts))}


def memory(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Run gather on few rows, and on ten times as many."""
    found = {}
    for rows in (FEW, FEW * 2 if quick else MANY):
        prompts = numbered(f"memory {rows}", round_number, rows)
        with start_emulator(**FREE.config()) as emulator:
            took = run_baseline("gather", emulator.url, prompts)
        found[f"gather, {rows:,} rows"] = _measured(took)
    return found


def cached(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Run gather twice behind a table of answers in SQLite; it stores no results."""
    prompts = numbered("cached", round_number, 2_000 if quick else 10_000)
    with tempfile.TemporaryDirectory() as folder, start_emulator(**FREE.config()) as emulator:
        cache = Path(folder) / "answers.db"
        run_baseline("cached", emulator.url, prompts, cache=cache)
        before = emulator.ledger()["calls_received"]
        took = run_baseline("cached", emulator.url, prompts, cache=cache)
        calls = emulator.ledger()["calls_received"] - before
    speed = len(prompts) / took["seconds"]
    more = {"calls": calls, "rows_per_second": round(speed)}
    return {"gather, SQLite cache": _measured(took, paid_twice=calls, more=more)}


def _measured(
    took: dict[str, float],
    *,
    makespan_ratio: float | None = None,
    paid_twice: float | None = None,
    more: dict[str, float] | None = None,
) -> Measurement:
    return Measurement(
        makespan_ratio=makespan_ratio,
        lost=took["lost"],
        paid_twice=paid_twice,
        cpu_ms_per_row=took["cpu_ms_per_row"],
        rss_mb=took["rss_mb"],
        more=more or {},
    )


BASELINES = {"fair": fair, "overhead": overhead, "memory": memory, "cached": cached}
