"""The one command, as a user runs it: everything is started, shown and stopped."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually

pytestmark = pytest.mark.journey

# Packages of a person, in the folder they work in and on their PYTHONPATH: none may be imported.
SOMEBODY_ELSES = ("api", "client", "emulator", "service", "workers")
COLUMNS = {
    "name",
    "kind",
    "train_size",
    "metric",
    "score",
    "low",
    "high",
    "coverage",
    "test_rows",
    "groups",
}


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the folder that the command runs in, with modules of the names of ours."""
    folder = tmp_path / "work"
    for name in SOMEBODY_ELSES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('a module of somebody else')")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def demo(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-P",  # as the console script: without the current folder on the import path
            "-m",
            "tunecurve",
            "demo",
            "--data-dir",
            str(folder / "data"),
            "--out",
            str(folder / "out"),
            *arguments,
        ],
        cwd=folder / "work",
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def small_demo(folder: Path, written: Path) -> "subprocess.CompletedProcess[str]":
    sizes = ("--train-sizes", "100,20", "--test-size", "40", "--shots", "2")
    return demo(folder, *sizes, "--json", str(written))


def test_the_demo_prints_a_curve_an_answer_and_a_report_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    written = tmp_path / "demo.json"
    run = small_demo(tmp_path, written)
    assert run.returncode == 0, run.stderr[-2000:]
    for word in ("zero-shot", "few-shot (2)", "tuned@20", "tuned@100", "SYNTHETIC", "Answer: "):
        assert word in run.stdout
    result = json.loads(written.read_text())
    assert set(result) == {"experiment", "synthetic", "answer", "report", "variants"}
    assert result["synthetic"] is True
    assert [set(variant) for variant in result["variants"]] == [COLUMNS] * 4
    small, large = (variant["score"] for variant in result["variants"][2:])
    assert large > small
    report = Path(result["report"]).read_text()
    assert "SYNTHETIC" in report
    plain = report.replace("&#x27;", "'").replace("\N{NO-BREAK SPACE}", " ")
    assert all(clause in plain for clause in result["answer"].rstrip(".").split("; "))
    assert not (tmp_path / "data" / "stack.json").exists()
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in processes.stdout

    another = tmp_path / "another"  # a first run is the same everywhere
    shutil.copytree(tmp_path / "work", another / "work")
    assert small_demo(another, another / "demo.json").returncode == 0
    again = json.loads((another / "demo.json").read_text())
    assert (again["answer"], again["variants"]) == (result["answer"], result["variants"])


PAGE = Path(__file__).resolve().parents[2] / "docs/tuning.md"
IDS = {"FILE": "file", "DATASET": "ds", "JOB": "job", "MODEL": "model"}


def test_the_page_about_tuning_leads_from_a_csv_to_an_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of the page as they stand, with the ids that earlier ones have printed."""
    block = re.search(r"```sh\n(tunecurve doctor.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    words = ("happy day", "sad rain", "the road")
    labels = ("positive", "negative", "neutral")
    rows = [f"{words[at % 3]} number {at * 37} of {at},{labels[at % 3]}" for at in range(240)]
    (tmp_path / "work" / "rows.csv").write_text("\n".join(["text,sentiment", *rows]))
    monkeypatch.setenv("TUNECURVE_DATA_DIR", str(tmp_path / "data"))
    command = [sys.executable, "-P", "-m", "tunecurve"]
    known: dict[str, str] = {}
    with subprocess.Popen([*command, "up", "--port", "0"], cwd=tmp_path / "work") as up:
        try:
            eventually((tmp_path / "data" / "stack.json").exists, seconds=120, what="a stack")
            for line in block[1].splitlines():
                arguments = [_with_ids(each, known) for each in shlex.split(line, comments=True)]
                run = subprocess.run(
                    [*command, *arguments[1:]],
                    cwd=tmp_path / "work",
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert run.returncode == 0, f"{line}: {run.stderr[-1000:]}"
                for name, prefix in IDS.items():
                    printed = re.findall(rf"\b{prefix}_[0-9a-z]{{26}}\b", run.stdout + run.stderr)
                    known |= {name: printed[0]} if printed else {}
        finally:
            up.terminate()
    assert known.keys() == IDS.keys()


def _with_ids(argument: str, known: dict[str, str]) -> str:
    for name, found in known.items():
        argument = re.sub(rf"\b{name}\b", found, argument)
    return argument


def test_a_demo_of_data_that_cannot_be_used_says_why_and_exits_with_one(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"source_text": "Ann {n}", "wrong": "x"}}\n' for n in range(20)))
    run = demo(tmp_path, "--data", str(rows), "--train-sizes", "5", "--test-size", "5")
    assert run.returncode == 1
    assert "target_text" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
