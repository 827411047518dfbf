"""How close an evaluation comes to what its quota allows, and what it wastes, beside others.

    .venv/bin/python bench/inference/quota.py --scenario NAME [--rounds 3] [--quick] [--json FILE]

Ours runs on a real fleet against the emulator; each alternative runs in a process of its own
under the same law, one after the other, round by round. Printed are medians. Set it up with
`make .venv/bench`.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

from bench.inference.measured import Measured, median_of, table
from bench.inference.paced import run_alternative, run_ours
from bench.inference.scenarios import SCENARIOS, Scenario
from bench.inference.special import SPECIAL

QUICK_SHARE = 4


def run_round(name: str, round_number: int, *, quick: bool) -> dict[str, Measured]:
    """Run every contender of a scenario once."""
    if name in SPECIAL:
        return SPECIAL[name](round_number, quick=quick)
    scenario = SCENARIOS[name]
    if quick:
        scenario = replace(scenario, rows=scenario.rows // QUICK_SHARE, alternatives=())
    found = {"ours": run_ours(scenario, round_number)}
    for alternative in scenario.alternatives:
        found[alternative] = run_alternative(alternative, scenario, round_number)
    return found


def verdict(scenario: Scenario, ours: Measured) -> str:
    """Return whether ours kept the bars of the scenario."""
    bars = (
        ("makespan ratio", ours.makespan_ratio, scenario.most_ratio),
        ("429s a hundred rows", ours.waste_percent, scenario.most_waste_percent),
        ("rows lost", ours.lost, 0),
    )
    lines = [_line(name, found, most) for name, found, most in bars]
    return "\n".join(["", *lines])


def _line(name: str, found: float | None, most: float) -> str:
    kept = found is not None and found <= most
    return f"{'kept' if kept else 'MISSED'}: {name} {found}, at most {most:g}"


def main() -> None:
    """Run the rounds, print the medians, keep them where asked."""
    options = _options()
    runs: dict[str, list[Measured]] = defaultdict(list)
    for round_number in range(options.rounds):
        # Prompts of another run would be repeats: a round's name holds the time.
        token = int(time.time()) * 10 + round_number
        for contender, measured in run_round(options.scenario, token, quick=options.quick).items():
            runs[contender].append(measured)
            print(f"round {round_number + 1}: {contender}: {measured}", flush=True)
    results = {contender: median_of(measured) for contender, measured in runs.items()}
    print(f"\n{options.scenario}, medians of {options.rounds} rounds\n\n{table(results)}")
    if options.scenario in SCENARIOS:
        print(verdict(SCENARIOS[options.scenario], results["ours"]))
    if options.json:
        kept = {contender: asdict(measured) for contender, measured in results.items()}
        options.json.write_text(json.dumps(kept, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenario", choices=[*SCENARIOS, *SPECIAL], required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer rows, ours only")
    parser.add_argument("--json", type=Path, help="where to keep the medians")
    return parser.parse_args()


if __name__ == "__main__":
    main()
