"""Scoring and export of many predictions, beside sacreBLEU alone on the same texts.

    PYTHONPATH=. python bench/evaluation/scoring.py [--rows 100000] [--json FILE]

The rows are made-up masking pairs; of the predictions seven in ten are right, the others repeat
the input. Ours is all that an evaluation does once it has its answers: reads them from SQLite,
scores each row by the metrics of the preset `pii` (SacreBLEU, F1 of entities, leak rate, exact
match) with intervals, and writes the table. The alternative is `sacrebleu` with one score a row
and one of the corpus, from lists in memory. Each runs in a process of its own; memory is the
largest process, with the one that writes Parquet beside it. Bars: 60 s and 1.5 GB for scoring,
10 s for an export of each kind.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BARS = {"score": (60.0, 1.5), "jsonl": (10.0, 1.5), "csv": (10.0, 1.5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options.folder, options.rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {step: _run(step, folder, options.rows) for step in STEPS}
    _print(found, options.rows)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def _run(step: str, folder: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--folder", folder, "--rows", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _print(found: dict[str, dict[str, Any]], rows: int) -> None:
    print(f"{rows:,} rows{'':<6}{'wall s':>9}{'CPU s':>9}{'GB':>7}   bar")
    for step, each in found.items():
        seconds, gigabytes = BARS.get(step, (0, 0))
        bar = f"{seconds:g} s, {gigabytes:g} GB" if seconds else ""
        print(f"{step:<16}{each['wall']:>9.1f}{each['cpu']:>9.1f}{each['gb']:>7.2f}   {bar}")
    ratio = found["score"]["cpu"] / found["sacrebleu"]["cpu"]
    print(f"scoring takes {ratio:.2f} of the CPU of sacrebleu alone; {found['score']['scores']}")


def _measured(started: float, **more: Any) -> dict[str, Any]:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = sum(each.ru_utime + each.ru_stime for each in (own, children))
    memory = (own.ru_maxrss + children.ru_maxrss) / 1024**2
    return {"wall": time.perf_counter() - started, "cpu": cpu, "gb": memory, **more}


# ------------------------------------------------------------ the steps


def _pairs(rows: int) -> Iterator[tuple[str, str, str]]:
    """Yield source, target and prediction."""
    from service.datasets.sources.synthetic import synthetic_rows

    for number, row in enumerate(synthetic_rows(rows, seed=0)):
        source, target = row.fields["source_text"], row.fields["target_text"]
        yield source, target, target if number % 10 < 7 else source  # noqa: PLR2004


def _build(folder: Path, rows: int) -> dict[str, Any]:
    started = time.perf_counter()
    from bench.evaluation.stored_evaluation import store_evaluation

    store_evaluation(folder, list(_pairs(rows)))
    return _measured(started)


def _score(folder: Path, _rows: int) -> dict[str, Any]:
    from bench.evaluation.stored_evaluation import open_evaluation
    from service.evaluation.results import complete

    run, plan, services = open_evaluation(folder)
    assert plan is not None  # noqa: S101  it is scored once
    started = time.perf_counter()
    complete(run, plan, services=services)
    with services.sessions.reading() as session:
        from service.evaluation.repository import scores

        found = {each.metric: each.value for each in scores(session, [plan.evaluation_id])}
    return _measured(started, scores=found)


def _export(folder: Path, kind: str) -> dict[str, Any]:
    from api.downloads import table_rows
    from bench.evaluation.stored_evaluation import open_evaluation
    from service.evaluation.queries import table_key_of
    from service.evaluation.scoring.row_table import table_schema
    from service.storage.tables import rows_as_csv, rows_as_jsonl

    run, _, services = open_evaluation(folder)
    key = table_key_of(
        run.outputs["evaluation"], project_id=run.project_id, sessions=services.sessions
    )
    started = time.perf_counter()
    rows = table_rows(key, store=services.store)
    columns = list(table_schema(()).columns)
    chunks = rows_as_jsonl(rows) if kind == "jsonl" else rows_as_csv(rows, columns=columns)
    return _measured(started, bytes=sum(map(len, chunks)))


def _jsonl(folder: Path, _rows: int) -> dict[str, Any]:
    return _export(folder, "jsonl")


def _csv(folder: Path, _rows: int) -> dict[str, Any]:
    return _export(folder, "csv")


def _sacrebleu(_folder: Path, rows: int) -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU

    pairs = list(_pairs(rows))
    started = time.perf_counter()
    sentence, corpus = BLEU(effective_order=True), BLEU()
    for _, target, prediction in pairs:
        sentence.sentence_score(prediction, [target])
    score = corpus.corpus_score([each[2] for each in pairs], [[each[1] for each in pairs]]).score
    return _measured(started, scores={"sacrebleu": score})


STEPS = {
    "build": _build,
    "score": _score,
    "jsonl": _jsonl,
    "csv": _csv,
    "sacrebleu": _sacrebleu,
}


if __name__ == "__main__":
    main()
