"""Training curves in a terminal."""

import json
from pathlib import Path

import pytest

from tests.tunecurve.tiny_service import TinyService
from tunecurve.cli import run
from tunecurve.curves import curve_lines, sparkline
from tunecurve.errors import ExitCode

MODEL = f"model_{1:026d}"
LOSSES = [{"step": 10, "value": 2.0}, {"step": 20, "value": 1.0}, {"step": 30, "value": 0.25}]
CURVES = {
    "object": "training_curves",
    "model": MODEL,
    "synthetic": True,
    "complete": False,
    "series": {"train_loss": LOSSES},
}


def test_a_sparkline_goes_from_the_lowest_to_the_highest_value() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([]) == ""


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    thinned = sparkline([9, *[0] * 1000, 9], width=10)
    assert len(thinned) == 10
    assert (thinned[0], thinned[-1]) == ("█", "█")


def test_a_line_says_the_last_value_and_its_step() -> None:
    assert curve_lines(CURVES) == ["train_loss  █▄▁  0.25 at step 30"]


def test_curves_are_shown_as_a_table_as_json_and_saved(
    known: TinyService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/v1/models/{MODEL}/curves"
    known.objects[path] = CURVES
    assert run(["curves", MODEL]) == ExitCode.OK
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["SERIES", "CURVE", "FIRST", "LOWEST", "HIGHEST", "LAST", "STEP"]
    assert row.split() == ["train_loss", "█▄▁", "2.0", "0.25", "2.0", "0.25", "30"]
    assert run(["curves", MODEL, "-o", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == CURVES


def test_a_model_without_curves_says_so(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.objects[f"/v1/models/{MODEL}/curves"] = {**CURVES, "series": {}}
    assert run(["curves", MODEL]) == ExitCode.OK
    assert "no training curves yet" in capsys.readouterr().err


def test_all_points_are_saved_as_csv(known: TinyService, tmp_path: Path) -> None:
    known.objects[f"/v1/models/{MODEL}/curves"] = CURVES
    assert run(["curves", MODEL, "--csv", str(tmp_path / "curves.csv")]) == ExitCode.OK
    assert known.seen[-1].query == {"format": "csv"}
    assert (tmp_path / "curves.csv").is_file()


def test_models_are_listed_by_their_states(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {
        "id": MODEL,
        "state": "creating",
        "provider": {"name": "vertex", "state": "JOB_STATE_RUNNING", "phase": "training"},
        "base_model": "gemini-3.1-flash-lite",
        "train_size": 200,
        "overfitting": {"best_step": 40},
        "dataset": None,
        "ready_at": None,
    }
    known.lists["/v1/models"] = [model]
    filters = ["--state", "creating", "--provider-state", "JOB_STATE_RUNNING"]
    assert run(["models", "list", *filters]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "JOB_STATE_RUNNING  training" in printed
    assert "since step 40" in printed
    asked = known.seen[-1].query
    assert (asked["state"], asked["provider_state"]) == ("creating", "JOB_STATE_RUNNING")
