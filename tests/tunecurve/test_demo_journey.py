"""The one command, as a user runs it: everything is started, shown and stopped."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.processes import inherited

pytestmark = pytest.mark.journey

# Packages of a person, in the folder they work in and on their PYTHONPATH: none may be imported.
SOMEBODY_ELSES = ("api", "client", "emulator", "service", "workers")
# As the console script: without the current folder on the import path.
COMMAND = (sys.executable, "-P", "-m", "tunecurve")
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
    monkeypatch.setenv("PYTHONPATH", str(new_work_folder(tmp_path)))


def new_work_folder(parent: Path) -> Path:
    folder = parent / "work"
    for name in SOMEBODY_ELSES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('a module of somebody else')")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a work folder, and the data of a stack that `tunecurve up` runs meanwhile."""
    folder = tmp_path_factory.mktemp("running")
    work = new_work_folder(folder)
    environment = inherited() | {"PYTHONPATH": str(work)}
    command = [*COMMAND, "up", "--port", "0", "--data-dir", str(folder / "data")]
    with subprocess.Popen(command, cwd=work, env=environment) as up:
        try:
            eventually((folder / "data" / "stack.json").exists, seconds=120, what="a stack")
            yield folder
        finally:
            up.terminate()


def demo(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *COMMAND,
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
    tmp_path: Path, running: Path
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

    again = running / "demo.json"  # of another installation, that was there before
    assert small_demo(running, again).returncode == 0
    repeated = json.loads(again.read_text())
    assert (repeated["answer"], repeated["variants"]) == (result["answer"], result["variants"])


PAGE = Path(__file__).resolve().parents[2] / "docs/tuning.md"
IDS = {"FILE": "file", "DATASET": "ds", "JOB": "job", "MODEL": "model"}


def test_the_page_about_tuning_leads_from_a_csv_to_an_endpoint(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of the page as they stand, with the ids that earlier ones have printed."""
    block = re.search(r"```sh\n(tunecurve doctor.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    words = ("happy day", "sad rain", "the road")
    labels = ("positive", "negative", "neutral")
    rows = [f"{words[at % 3]} number {at * 37} of {at},{labels[at % 3]}" for at in range(240)]
    (running / "work" / "rows.csv").write_text("\n".join(["text,sentiment", *rows]))
    monkeypatch.setenv("TUNECURVE_DATA_DIR", str(running / "data"))
    known: dict[str, str] = {}
    for line in block[1].splitlines():
        arguments = [_with_ids(each, known) for each in shlex.split(line, comments=True)]
        run = subprocess.run(
            [*COMMAND, *arguments[1:]],
            cwd=running / "work",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, f"{line}: {run.stderr[-1000:]}"
        for name, prefix in IDS.items():
            printed = re.findall(rf"\b{prefix}_[0-9a-z]{{26}}\b", run.stdout + run.stderr)
            known |= {name: printed[0]} if printed else {}
    assert known.keys() == IDS.keys()


def _with_ids(argument: str, known: dict[str, str]) -> str:
    for name, found in known.items():
        argument = re.sub(rf"\b{name}\b", found, argument)
    return argument


def test_a_demo_of_data_that_cannot_be_used_says_why_and_exits_with_one(
    tmp_path: Path, running: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"source_text": "Ann {n}", "wrong": "x"}}\n' for n in range(20)))
    run = demo(running, "--data", str(rows), "--train-sizes", "5", "--test-size", "5")
    assert run.returncode == 1
    assert "target_text" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
