"""Who may import whom: the contracts of pyproject.toml hold, and each of them can fail."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.tree import ROOT, shipped_modules

# For each contract an import that breaks it: the module it is planted in, and the line.
VIOLATIONS = {
    "Entry points point inwards: api -> service <- workers": (
        "service/clock.py",
        "import workers.app",
    ),
    "Package and emulator stand alone": ("tunecurve/output.py", "import emulator.prompts"),
    "Package and emulator import none of the three": ("tunecurve/output.py", "import service.ids"),
    "The three import neither package nor emulator": (
        "workers/app.py",
        "import tunecurve.output",
    ),
    "The package forms one staircase": ("tunecurve/errors.py", "import tunecurve.client"),
    "Rooms of the domain form one staircase": (
        "service/storage/keys.py",
        "import service.jobs.lifecycle",
    ),
    "Rooms keep their models and repositories to themselves": (
        "service/tuning/billing/costs.py",
        "import service.jobs.tree_repository",
    ),
    "Roles inside a room: operations over repository over models": (
        "service/jobs/models.py",
        "import service.jobs.repository",
    ),
    "Jobs are a staircase, with paid operations at its top": (
        "service/jobs/lifecycle.py",
        "import service.jobs.paid_operations.states",
    ),
    "Paid operations go from record over request to sweep": (
        "service/jobs/paid_operations/line.py",
        "import service.jobs.paid_operations.sweep",
    ),
    "Inference goes from single calls over pacing to runs": (
        "service/inference/pace.py",
        "import service.inference.governors",
    ),
    "Datasets follow the way of the data": (
        "service/datasets/presets/squad.py",
        "import service.datasets.splitting.leakage",
    ),
    "Evaluation goes from plan over stages to results": (
        "service/evaluation/scoring/votes.py",
        "import service.evaluation.stages.requests",
    ),
    "Tuning goes from inputs over bills to operations": (
        "service/tuning/inputs/reuse.py",
        "import service.tuning.billing.costs",
    ),
    "Experiments go from curve over decisions to report": (
        "service/experiments/learning_curve/fit.py",
        "import service.experiments.decisions.front",
    ),
    "The emulator is a staircase of its own": (
        "emulator/storage/store.py",
        "import emulator.container",
    ),
    "Only the entry points open the container": (
        "service/reports/__init__.py",
        "import service.container",
    ),
    "HTTP stays in api": ("service/ids.py", "import fastapi"),
    "Celery stays in workers, but for the producer": ("service/ids.py", "import celery"),
    "SQL stays in models, repositories, reports and the database module": (
        "service/files/operations.py",
        "import sqlalchemy",
    ),
    "Each vendor SDK has one home": ("service/files/operations.py", "import google.auth"),
    "Stores do not know each other": (
        "service/storage/local.py",
        "import service.storage.gcs",
    ),
    "Formats do not know each other": (
        "service/datasets/formats/csv.py",
        "import service.datasets.formats.jsonl",
    ),
    "Presets do not know each other": (
        "service/datasets/presets/pii.py",
        "import service.datasets.presets.squad",
    ),
    "Sources do not know each other": (
        "service/datasets/sources/gs.py",
        "import service.datasets.sources.file",
    ),
    "Metrics do not know each other": (
        "service/evaluation/metrics/accuracy.py",
        "import service.evaluation.metrics.squad",
    ),
}


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _contracts() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def _copy_of_the_tree(folder: Path) -> Path:
    for path in (*shipped_modules(), Path("pyproject.toml")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    return folder


def test_the_contracts_hold() -> None:
    report = _lint_imports(ROOT)

    assert report.returncode == 0, report.stdout + report.stderr


def test_every_contract_catches_a_planted_violation(tmp_path: Path) -> None:
    tree = _copy_of_the_tree(tmp_path)
    for module, line in VIOLATIONS.values():
        with (tree / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")

    report = _lint_imports(tree)

    broken = set(re.findall(r"^(.+?) BROKEN\b", report.stdout, flags=re.MULTILINE))
    assert set(VIOLATIONS) == _contracts()
    assert _contracts() - broken == set(), report.stdout + report.stderr
