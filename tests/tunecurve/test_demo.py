"""`tunecurve demo` against a server that speaks the documented shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tunecurve.tiny_service import KEY, TinyService, new_job
from tunecurve.cli import run
from tunecurve.errors import ExitCode
from tunecurve.stack.locks import locked
from tunecurve.stack.state import StackState, lock_file, read_state, write_state

EXPERIMENT = f"exp_{1:026d}"
VARIANTS: list[dict[str, Any]] = [
    {
        "name": "zero-shot", "kind": "zero_shot", "train_size": None, "shots": 0,
        "state": "succeeded", "metric": "sacrebleu", "score": 61.234, "low": 58.0,
        "high": 64.5, "coverage": 1.0,
        "test_rows": 200, "groups": 41, "model": None, "evaluation": "eval_1", "error": None,
    },
    {
        "name": "tuned@50", "kind": "tuned", "train_size": 50, "shots": 0, "state": "failed",
        "metric": "sacrebleu", "score": None, "low": None, "high": None, "coverage": None,
        "test_rows": None, "groups": None, "model": "model_1", "evaluation": "eval_2",
        "error": {"detail": "the tuning was refused"},
    },
]  # fmt: skip


@pytest.fixture
def prepared(known: TinyService) -> TinyService:
    """A service that takes an experiment and ends it well."""
    known.submitted = new_job(1, "experiment", outputs={"experiment": EXPERIMENT})
    known.script(
        {**known.submitted, "kind": "experiment"},
        {"state": "waiting", "reason": "children"},
        {"state": "succeeded"},
    )
    parent = known.submitted["id"]
    waiting = {"state": "waiting", "reason": "provider", "labels": {"variant": "tuned@50"}}
    known.lists["/v1/jobs"] = [new_job(2, "tune", parent=parent, **waiting)]
    known.objects[f"/v1/experiments/{EXPERIMENT}"] = {
        "id": EXPERIMENT, "synthetic": True, "answer": "50 labels do.", "variants": VARIANTS,
    }  # fmt: skip
    known.contents[f"/v1/experiments/{EXPERIMENT}/content"] = b"content"
    return known


def test_submit_wait_ends_with_the_table_and_the_answer(
    prepared: TinyService, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["submit", "experiment", "--spec", "{}", "--wait"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert f"Experiment {EXPERIMENT}  SYNTHETIC" in printed
    assert "tuned@50: the tuning was refused" in printed
    assert "Answer: 50 labels do." in printed
    assert run(["watch", str(prepared.submitted["id"])]) == ExitCode.OK
    assert "Answer: 50 labels do." in capsys.readouterr().out


def test_an_experiment_is_shown_by_its_variants_with_differences_and_dollars(
    prepared: TinyService, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = prepared.objects[f"/v1/experiments/{EXPERIMENT}"]
    shown["curve"] = {
        "decision": {"best_prompt": "zero-shot"},
        "comparisons": [
            {"first": "tuned@50", "second": "zero-shot", "difference": 5.25, "is_shown": True},
            {"first": "zero-shot", "second": "tuned@9", "difference": 0.5, "is_shown": False},
        ],
        "costs": {"tuned@50": {"per_thousand_calls": "0.135125"}},
    }
    shown["variants"] = [*VARIANTS, VARIANTS[1] | {"name": "tuned@9", "error": None}]
    assert run(["get", EXPERIMENT]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line for line in lines}
    assert "+5.2" in rows["tuned@50"]
    assert "0.14" in rows["tuned@50"]
    assert "-0.5 ?" in rows["tuned@9"]
    assert "? not shown to differ" in lines
    assert "All: metric sacrebleu, coverage 100.0%, rows 200, groups 41" in lines
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("identifier", "path"),
    [
        (EXPERIMENT, f"/v1/experiments/{EXPERIMENT}/content"),
        (f"ds_{2:026d}", f"/v1/datasets/ds_{2:026d}/report"),
    ],
)
def test_a_report_is_saved_where_asked(
    known: TinyService, bare: Path, capsys: pytest.CaptureFixture[str], identifier: str, path: str
) -> None:
    known.contents[path] = b"<!DOCTYPE html>"
    assert run(["report", identifier, "--out", "page.html"]) == ExitCode.OK
    assert capsys.readouterr().out == "page.html\n"
    assert (bare / "page.html").read_bytes() == b"<!DOCTYPE html>"


def test_what_has_no_report_says_what_has(
    known: TinyService, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", f"job_{1:026d}"]) == ExitCode.USAGE
    assert "an experiment (exp_…) or a dataset (ds_…) has" in capsys.readouterr().err


def test_an_experiment_is_shown_to_its_end_and_its_results_are_kept(
    prepared: TinyService, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--json", "result.json", "--out", "kept"]) == ExitCode.OK
    printed = capsys.readouterr()
    assert "tuned@50" in printed.err
    assert "waiting (provider)" in printed.err
    assert "SYNTHETIC" in printed.out
    assert "Answer: 50 labels do." in printed.out
    assert "Report: kept/report.html" in printed.out
    assert "tuned@50: the tuning was refused" in printed.out
    row = next(line for line in printed.out.splitlines() if line.startswith("zero-shot"))
    assert row.split() == ["zero-shot", "-", "61.2", "[58.0,", "64.5]", "-", "-"]
    assert {file.name for file in (bare / "kept").iterdir()} == {
        "report.html", "curve.json", "curve.parquet",
    }  # fmt: skip


def test_the_result_is_written_as_promised(prepared: TinyService, bare: Path) -> None:
    assert run(["demo", "--json", "result.json"]) == ExitCode.OK
    result = json.loads((bare / "result.json").read_text())
    assert result == {
        "experiment": EXPERIMENT,
        "synthetic": True,
        "answer": "50 labels do.",
        "report": "out/report.html",
        "variants": [
            {name: variant[name] for name in (
                "name", "kind", "train_size", "metric", "score", "low", "high", "coverage",
                "test_rows", "groups",
            )}
            for variant in VARIANTS
        ],
    }  # fmt: skip


def test_the_specification_says_what_was_asked(prepared: TinyService) -> None:
    arguments = ["--train-sizes", "20, 40", "--test-size", "30", "--shots", "2", "--seed", "7"]
    assert run(["demo", *arguments]) == ExitCode.OK
    assert prepared.seen[0].json() == {
        "kind": "experiment",
        "spec": {
            "prepare": {
                "preset": "pii",
                "source": {"type": "synthetic", "rows": 3000, "seed": 7},
                "train_sizes": [20, 40],
                "test_size": 30,
                "seed": 7,
            },
            "shots": 2,
            "seed": 7,
        },
    }


def test_a_data_file_is_uploaded_first(prepared: TinyService, bare: Path) -> None:
    (bare / "tweets.csv").write_text("text,label\nhello,good\n")
    assert run(["demo", "--preset", "sentiment", "--data", "tweets.csv"]) == ExitCode.OK
    upload, submission = prepared.seen[:2]
    assert upload.body == (bare / "tweets.csv").read_bytes()
    source = submission.json()["spec"]["prepare"]["source"]
    assert source == {"type": "file", "file_id": f"file_{1:026d}"}


def test_a_stack_that_runs_is_used_and_left_running(
    prepared: TinyService, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNECURVE_URL")
    monkeypatch.delenv("TUNECURVE_KEY")
    folder = bare / "data"
    folder.mkdir()
    (folder / "key").write_text(KEY)
    state = StackState(prepared.url, str(folder / "key"), 1, {}, "unix:///r.sock", None)
    with locked(lock_file(folder)):
        write_state(folder, state)
        assert run(["demo"]) == ExitCode.OK
        assert read_state(folder) == state


def test_a_failed_experiment_exits_with_1_and_leaves_no_result(
    prepared: TinyService, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"title": "Invalid", "detail": "no preset named 'x'", "code": "unknown_preset"}
    prepared.script(prepared.submitted, {"state": "failed", "error": error})
    assert run(["demo", "--json", "result.json"]) == ExitCode.JOB_FAILED
    assert "no preset named 'x' (unknown_preset)" in capsys.readouterr().err
    assert not (bare / "result.json").exists()
    assert not (bare / "out").exists()
