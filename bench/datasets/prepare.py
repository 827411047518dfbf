"""How long a dataset takes to prepare and how much memory, against `datasets` and datasketch.

    .venv/bin/python bench/datasets/prepare.py [--rows 200000] [--large 2000000] [--quick]
        [--json FILE]

PII-like rows as JSON Lines go through load, clean, exact and near deduplication, split, validation
and Gemini JSONL. Each contender is a process of its own, timed from its first line after imports;
peak memory is the process's own high-water mark. Both use one process; threads as they come.
`--large` rows are prepared by ours alone, for memory and time per row; 0 leaves them out.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.datasets.rows import write_rows  # noqa: E402  the repository's root comes first

THRESHOLD, TEST_SIZE = 0.85, 200
MOST_TRAIN = 600_000  # rows of about 1500 bytes each, in a file that may have 1 GB
SPEEDUP_BAR, MEMORY_BAR_GB, FLATNESS_BAR = 8.0, 1.5, 1.25


def main() -> None:
    options = _options()
    if options.contender:
        print(json.dumps(_contend(options.contender, options.file)))
        return
    if options.quick:
        options.rows, options.large = 5000, 20_000
    with tempfile.TemporaryDirectory() as name:
        found = _compare(Path(name), options.rows, options.large)
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--large", type=int, default=2_000_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--contender", choices=["ours", "datasets"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(folder: Path, rows: int, large: int) -> dict[str, Any]:
    file = folder / "rows.jsonl"
    found: dict[str, Any] = {"rows": rows, "bytes": write_rows(file, rows)}
    for contender in ("ours", "datasets"):
        found[contender] = _run(contender, file)
    file.unlink()
    if large:
        large_file = folder / "large.jsonl"
        size = write_rows(large_file, large)
        found["large"] = _run("ours", large_file) | {"rows_in": large, "bytes": size}
    return found


def _run(contender: str, file: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--contender", contender, "--file", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603  this very script
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _contend(contender: str, file: Path) -> dict[str, Any]:
    work = _ours if contender == "ours" else _theirs
    with tempfile.TemporaryDirectory() as name:
        found = work(file, Path(name))
    found["cpu_seconds"] = round(time.process_time(), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**found, "peak_gb": round(peak, 3)}


def _theirs(file: Path, folder: Path) -> dict[str, Any]:
    from bench.datasets.alternative import prepare_with_datasets
    from service.datasets.presets.pii import PII

    began = time.perf_counter()
    found = prepare_with_datasets(
        file, folder, threshold=THRESHOLD, test_size=TEST_SIZE, instruction=PII.instruction
    )
    return {**found, "seconds": time.perf_counter() - began}


def _ours(file: Path, folder: Path) -> dict[str, Any]:
    import pyarrow.parquet  # noqa: F401  imports are not part of the race
    import rensa  # type: ignore[import-untyped]  # noqa: F401  likewise

    from service.catalogue.catalogue import load_catalogue
    from service.datasets.formats.read_context import IngestionLimits
    from service.datasets.ingestion.staged_rows import stage_file
    from service.datasets.preparation import prepare
    from service.datasets.presets.pii import PII
    from service.datasets.publishing.written_dataset import write_dataset
    from service.datasets.refusals import Staged
    from service.datasets.schemas import PrepareSpec
    from service.datasets.sources.source import SourceFile

    began = time.perf_counter()
    marks = {}
    with file.open("rb") as stream:
        pieces = iter(lambda: stream.read(1 << 20), b"")
        source = SourceFile(pieces, "jsonl")
        staged = stage_file(source, folder=folder, limits=IngestionLimits())
    marks["stage"] = time.perf_counter() - began
    size = max(1, min(1_000_000, staged.rows // 2))
    spec_fields = {"preset": "pii", "source": {"type": "synthetic"}, "test_size": TEST_SIZE}
    spec = PrepareSpec.model_validate(
        spec_fields | {"train_sizes": [size], "near_duplicates": THRESHOLD}
    )
    model = load_catalogue().entry("")
    prepared = prepare([Staged(staged)], preset=PII, spec=spec, folder=folder, base_model=model)
    marks["prepare"] = time.perf_counter() - began
    train = len(prepared.splits["train"])
    # All training rows are written, as the alternative does, or as many as Gemini takes.
    sizes = [min(train, MOST_TRAIN)]
    finished = write_dataset(
        prepared,
        preset=PII,
        train_sizes=sizes,
        folder=folder,
        today=date(2026, 9, 1),
        known_models=(),
    )
    marks["finish"] = time.perf_counter() - began
    dropped = {reason: each.rows for reason, each in finished.report.dropped.items()}
    counts = {"rows": staged.source_rows, "kept": finished.report.kept, "train": train}
    return {**counts, "dropped": dropped, "marks": marks, "seconds": marks["finish"]}


def _print(found: dict[str, Any]) -> None:
    rows = found["rows"]
    print(f"{rows:,} rows, {found['bytes'] / 1e6:.0f} MB")
    print(f"{'':28}{'seconds':>10}{'CPU s':>10}{'us a row':>10}{'peak GB':>10}{'kept':>12}")
    ours, theirs = found["ours"], found["datasets"]
    _print_row("Tunecurve", ours, rows)
    _print_row("datasets + datasketch", theirs, rows)
    speedup = theirs["seconds"] / ours["seconds"]
    print(f"\n{speedup:.1f} x faster; bar {SPEEDUP_BAR:.0f} x, {_met(speedup >= SPEEDUP_BAR)}")
    print(f"{theirs['cpu_seconds'] / ours['cpu_seconds']:.1f} x less CPU, imports included")
    lower = ours["peak_gb"] <= theirs["peak_gb"]
    print(f"peak memory no higher: {_met(lower)}")
    if large := found.get("large"):
        _print_row(f"Tunecurve, {large['rows_in']:,}", large, large["rows_in"])
        flat = large["seconds"] / large["rows_in"] / (ours["seconds"] / rows)
        small = large["peak_gb"] < MEMORY_BAR_GB
        print(f"peak below {MEMORY_BAR_GB} GB: {_met(small)}")
        print(f"time a row x {flat:.2f}, bar {FLATNESS_BAR}: {_met(flat <= FLATNESS_BAR)}")


def _print_row(name: str, run: dict[str, Any], rows: int) -> None:
    each = run["seconds"] / rows * 1e6
    print(
        f"{name:28}{run['seconds']:10.1f}{run['cpu_seconds']:10.1f}{each:10.1f}{run['peak_gb']:10.2f}{run['kept']:12,}"
    )


def _met(fine: bool) -> str:  # noqa: FBT001  it prints a truth value
    return "met" if fine else "MISSED"


if __name__ == "__main__":
    main()
