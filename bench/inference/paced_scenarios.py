"""Runs of the paced scenarios: ours on a fleet, the baselines in processes of their own."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bench.inference.baseline_process import run_baseline, start_baseline
from bench.inference.fleet import Meter, open_house, until
from bench.inference.measurements import Measurement
from bench.inference.quota_model import ideal_seconds
from bench.inference.scenarios import Scenario
from tests.support.emulator import EmulatorProcess, start_emulator

FEWER = {"threads": 10}  # four threads take seven times as long: a tenth of the rows shows it


def ideal_of(scenario: Scenario, tokens: float) -> float:
    """Return the oracle's seconds; `tokens` are those of all rows, as the emulator counts them."""
    then = scenario.quota_model.halved() if scenario.halves else None
    rows = scenario.rows
    return ideal_seconds(scenario.quota_model, rows, then=then, tokens=tokens / rows)


def run_ours(scenario: Scenario, round_number: int) -> Measurement:
    """Run a scenario once through Celery and read what it came to from ledger and database."""
    prompts = scenario.prompts(round_number)
    with open_house(
        scenario.settings, workers=scenario.workers, postgresql=scenario.workers > 1
    ) as house:
        dataset = house.dataset(prompts)
        emulator = house.stack.emulator
        emulator.configure(**scenario.quota_model.config())
        house.stack.mark()
        before = _tokens(emulator)
        with (
            Meter(house.workers) as meter,
            _midway(scenario, emulator, house.workers[0].kill) as found,
        ):
            ended = house.stack.succeeded(house.evaluate(dataset).id, seconds=900)
        usage, rows = meter.usage(), scenario.rows
        lost = rows - house.outcomes(ended).get("ok", 0)
        doubled = {"doubled": house.doubled(ended)} if scenario.kills else {}
        return Measurement(
            makespan_ratio=house.span(ended) / ideal_of(scenario, _tokens(emulator) - before),
            waste_percent=100 * _refused(emulator) / rows,
            lost=lost,
            paid_twice=house.stack.spent("repeated_prompts"),
            cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
            rss_mb=usage.rss_mb,
            more={"429s": _refused(emulator)} | found | doubled,
        )


def run_baseline_scenario(name: str, scenario: Scenario, round_number: int) -> Measurement:
    """Run one baseline once under the same quota."""
    scenario = replace(scenario, rows=scenario.rows // FEWER.get(name, 1))
    prompts = scenario.prompts(round_number)
    with start_emulator(**scenario.quota_model.config()) as emulator:
        if scenario.workers > 1:
            took, found = _run_processes(name, scenario, emulator, prompts)
        else:
            with _midway(scenario, emulator, None) as found:
                took = run_baseline(name, emulator.url, prompts, scenario.known_per_minute)
        ledger, refused, tokens = emulator.ledger(), _refused(emulator), _tokens(emulator)
    return Measurement(
        makespan_ratio=took["seconds"] / ideal_of(scenario, tokens),
        waste_percent=100 * refused / scenario.rows,
        lost=took["lost"],
        paid_twice=ledger["repeated_prompts"],
        cpu_ms_per_row=took["cpu_ms_per_row"],
        rss_mb=took["rss_mb"],
        more={"429s": refused} | found | ({"rows": scenario.rows} if name in FEWER else {}),
    )


def _run_processes(
    name: str, scenario: Scenario, emulator: EmulatorProcess, prompts: list[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Give each worker's part to a process; the one that is killed is started again at once.

    It starts from the beginning, as it stores nothing; the time of its imports is not counted.
    """
    parts = [prompts[number :: scenario.workers] for number in range(scenario.workers)]
    with ExitStack() as stack:
        processes, again = (
            [stack.enter_context(start_baseline(name, emulator.url, part)) for part in some]
            for some in (parts, parts[:1])
        )
        for each in [*processes, *again]:
            each.until_ready()
        killed_at: list[float] = []

        def kill_and_start() -> None:
            killed_at.append(time.monotonic())
            processes[0].kill()
            again[0].go()

        began = time.monotonic()
        with _midway(scenario, emulator, kill_and_start) as found:
            for each in processes:
                each.go()
            others = [each.result() for each in processes[1:]]
        first = again[0].result()
    first |= {"seconds": first["seconds"] + killed_at[0] - began}
    return _together([first, *others], [len(part) for part in parts]), found


def _together(answers: Sequence[dict[str, float]], rows: Sequence[int]) -> dict[str, float]:
    """Return what several processes took: the longest time, the largest memory, all the CPU."""
    cpu = sum(each["cpu_ms_per_row"] * share for each, share in zip(answers, rows, strict=True))
    return {
        "seconds": max(each["seconds"] for each in answers),
        "lost": sum(each["lost"] for each in answers),
        "cpu_ms_per_row": cpu / sum(rows),
        "rss_mb": max(each["rss_mb"] for each in answers),
    }


def _tokens(emulator: EmulatorProcess) -> int:
    """Return what was taken of the token quota so far."""
    models = emulator.ledger()["by_model"].values()
    return sum(int(model["prompt_tokens"]) + int(model["output_tokens"]) for model in models)


def _refused(emulator: EmulatorProcess) -> int:
    return int(emulator.ledger()["rejected_by_status"].get("429", 0))


@contextmanager
def _midway(
    scenario: Scenario, emulator: EmulatorProcess, kill: Callable[[], None] | None
) -> Iterator[dict[str, float]]:
    """Do what happens at half time while the block runs; yield what is found then."""
    found: dict[str, float] = {}
    if not scenario.halves and not scenario.kills:
        yield found
        return
    half = int(emulator.ledger()["calls_accepted"]) + scenario.rows / 2

    def wait_and_act() -> None:
        until(lambda: emulator.ledger()["calls_accepted"] >= half)
        if scenario.halves:
            emulator.configure(**scenario.quota_model.halved().config())
        if scenario.kills and kill:
            models = emulator.ledger()["by_model"].values()
            found["in_flight_at_kill"] = sum(model["in_flight"] for model in models)
            kill()

    acting = threading.Thread(target=wait_and_act, daemon=True)
    acting.start()
    yield found
    acting.join(timeout=60)
