"""How close an evaluation comes to what its quota allows, and what it wastes, against baselines.

    .venv/bin/python bench/inference/quota.py --scenario NAME|all [--rounds 3] [--quick]
        [--json FILE] [--markdown FILE]

Ours runs on a real fleet against the emulator; each baseline runs in a process of its own
under the same quota, one after the other, round by round. Printed are medians and whether each
threshold is kept. All scenarios take about 50 minutes. Set it up with `make .venv/bench`.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.inference.baselines import BASELINES
from bench.inference.measurements import Measurement, median_of, table
from bench.inference.other_scenarios import OTHER_SCENARIOS
from bench.inference.paced_scenarios import run_baseline_scenario, run_ours
from bench.inference.report import chapter, write_chapter
from bench.inference.scenarios import SCENARIOS
from bench.inference.thresholds import judge_all

QUICK_SHARE = 4
ONCE = {"memory"}  # 100,000 rows take minutes, and memory varies by a few MB

Results = Mapping[str, Measurement]


def run_round(name: str, round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Run every contender of a scenario once."""
    if name in OTHER_SCENARIOS:
        found = OTHER_SCENARIOS[name](round_number, quick=quick)
        return found | BASELINES[name](round_number, quick=quick)
    scenario = SCENARIOS[name]
    if quick:
        scenario = replace(scenario, rows=scenario.rows // QUICK_SHARE)
    found = {"ours": run_ours(scenario, round_number)}
    for baseline in scenario.baselines:
        found[baseline] = run_baseline_scenario(baseline, scenario, round_number)
    return found


def run_scenario(name: str, *, rounds: int, quick: bool) -> Results:
    """Run the rounds of a scenario, print what they came to, and return the medians."""
    runs: dict[str, list[Measurement]] = defaultdict(list)
    began = time.monotonic()
    for round_number in range(rounds):
        # Prompts of another run would be repeats: a round's name holds the time.
        token = int(time.time()) * 10 + round_number
        for contender, measured in run_round(name, token, quick=quick).items():
            runs[contender].append(measured)
            print(f"{name}, round {round_number + 1}: {contender}: {measured}", flush=True)
    results = {contender: median_of(measured) for contender, measured in runs.items()}
    took = time.monotonic() - began
    print(f"\n{name}, medians of {rounds} rounds, {took:.0f} s in all\n\n{table(results)}\n")
    print("\n".join(judge_all(name, results)) + "\n", flush=True)
    return results


def main() -> None:
    """Run one scenario or all, keep the medians where process."""
    options = _options()
    every = options.scenario == "all"
    names = [*SCENARIOS, *OTHER_SCENARIOS] if every else [options.scenario]
    found: dict[str, Results] = {}
    for name in names:
        rounds = 1 if every and name in ONCE else options.rounds
        found[name] = run_scenario(name, rounds=rounds, quick=options.quick)
        if options.json:
            options.json.write_text(json.dumps(_kept(found, every=every), indent=2) + "\n")
    if options.markdown:
        write_chapter(options.markdown, chapter(found, rounds=options.rounds))


def _kept(found: Mapping[str, Results], *, every: bool) -> dict[str, Any]:
    """Return contender -> figures; of all scenarios scenario -> contender -> figures."""
    kept = {
        name: {contender: measured.as_json() for contender, measured in results.items()}
        for name, results in found.items()
    }
    return kept if every else next(iter(kept.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenario", choices=["all", *SCENARIOS, *OTHER_SCENARIOS], required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer rows: what is kept says little")
    parser.add_argument("--json", type=Path, help="where to keep the medians")
    parser.add_argument("--markdown", type=Path, help="document whose chapter is written anew")
    return parser.parse_args()


if __name__ == "__main__":
    main()
