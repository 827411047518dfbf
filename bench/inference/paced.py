"""Runs of the paced scenarios: ours on a fleet, the alternatives in processes of their own."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.inference.fleet import House, Meter, open_house, until
from bench.inference.law import ideal_seconds
from bench.inference.measured import Measured
from bench.inference.scenarios import Scenario
from tests.support.emulator import EmulatorProcess, start_emulator

ROOT = Path(__file__).resolve().parents[2]


def ideal_of(scenario: Scenario, prompts: list[str]) -> float:
    """Return the oracle's seconds; tokens are what the emulator's words cost on average."""
    tokens = sum(len(prompt.split()) for prompt in prompts) / len(prompts)
    then = scenario.law.halved() if scenario.halves else None
    return ideal_seconds(scenario.law, scenario.rows, then=then, tokens=tokens)


def run_ours(scenario: Scenario, round_number: int) -> Measured:
    """Run a scenario once through Celery and read what it came to from ledger and database."""
    prompts = scenario.prompts(round_number)
    with open_house(
        scenario.told, workers=scenario.workers, postgresql=scenario.workers > 1
    ) as house:
        dataset = house.dataset(prompts)
        emulator = house.stack.emulator
        emulator.configure(**scenario.law.config())
        house.stack.mark()
        with Meter(house.workers) as meter, _midway(scenario, emulator, house):
            job = house.evaluate(dataset)
            ended = house.stack.succeeded(job.id, seconds=900)
        usage, rows = meter.usage(), scenario.rows
        return Measured(
            makespan_ratio=house.span(ended) / ideal_of(scenario, prompts),
            waste_percent=100 * _refused(emulator) / rows,
            lost=rows - house.outcomes(ended).get("ok", 0),
            paid_twice=house.stack.spent("repeated_prompts"),
            cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
            rss_mb=usage.rss_mb,
        )


def run_alternative(name: str, scenario: Scenario, round_number: int) -> Measured:
    """Run one alternative once under the same law."""
    prompts = scenario.prompts(round_number)
    with start_emulator(**scenario.law.config()) as emulator, _midway(scenario, emulator, None):
        took = ask_alternative(name, emulator.url, prompts, scenario.told_per_minute)
        ledger = emulator.ledger()
    return Measured(
        makespan_ratio=took["seconds"] / ideal_of(scenario, prompts),
        waste_percent=100 * ledger["rejected_by_status"].get("429", 0) / scenario.rows,
        lost=took["lost"],
        paid_twice=ledger["repeated_prompts"],
        cpu_ms_per_row=took["cpu_ms_per_row"],
        rss_mb=took["rss_mb"],
    )


def ask_alternative(
    name: str, url: str, prompts: list[str], requests_per_minute: float
) -> dict[str, float]:
    """Return what an alternative says of its own run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(prompts, file)
        file.flush()
        script = Path(__file__).with_name("alternatives.py")
        words = [name, "--url", url, "--prompts", file.name]
        words += ["--requests-per-minute", str(requests_per_minute)]
        done = subprocess.run(  # noqa: S603  our own script
            [sys.executable, script, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _refused(emulator: EmulatorProcess) -> int:
    return int(emulator.ledger()["rejected_by_status"].get("429", 0))


@contextmanager
def _midway(scenario: Scenario, emulator: EmulatorProcess, house: House | None) -> Iterator[None]:
    """Do what happens at half time while the block runs."""
    if not scenario.halves and not scenario.kills:
        yield
        return
    before = int(emulator.ledger()["calls_accepted"])

    def wait_and_act() -> None:
        half = before + scenario.rows / 2
        until(lambda: emulator.ledger()["calls_accepted"] >= half)
        if scenario.halves:
            emulator.configure(**scenario.law.halved().config())
        if scenario.kills and house:
            house.workers[0].kill()

    acting = threading.Thread(target=wait_and_act, daemon=True)
    acting.start()
    yield
    acting.join(timeout=60)
