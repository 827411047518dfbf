"""Send generated broken requests to the emulator: none may get a 500 or leave a traceback.

    python bench/emulator/broken_requests.py [--requests 10000] [--quick] [--json FILE]

The right requests they are grown from are in tests/emulator/broken.py.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.emulator.broken import BrokenRequest, broken_requests, send, watched_emulator

_QUICK = 500


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} requests")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    result = measure(_QUICK if options.quick else options.requests)
    for name, value in result.items():
        print(f"{name:12}{value}")
    if options.json:
        options.json.write_text(json.dumps(result), encoding="utf-8")
    return 1 if result["failures"] or result["tracebacks"] else 0


def measure(count: int) -> dict[str, object]:
    failures: list[str] = []
    sent = 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr.txt"
        started = time.monotonic()
        with watched_emulator(log) as client:

            @settings(
                max_examples=count,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(request=broken_requests())
            def run(request: BrokenRequest) -> None:
                nonlocal sent
                sent += 1
                if problem := send(client, request):
                    failures.append(problem[:300])

            run()
        tracebacks = log.read_text(encoding="utf-8", errors="replace").count("Traceback")
    seconds = round(time.monotonic() - started, 1)
    return {
        "requests": sent,
        "failures": len(failures),
        "first": failures[:5],
        "tracebacks": tracebacks,
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
