"""The answer to six public tasks, each verified and checked by a bootstrap of its own (SYNTHETIC).

    PYTHONPATH=. python bench/statistics/answers.py [--only TASK ...] [--quick] [--out DIR]

One experiment a task through the whole service against the emulator: zero-shot, three shots and
tuned on 50, 200 and 800 examples (presidio 450) on 200 test rows (presidio 120). Its bundle is
verified by `tunecurve verify`, and the difference of tuning to the best prompt is
recomputed from the exported rows by `bundle_check.py`, which imports nothing of the service.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

from bench.evaluation.public_tasks import DATA, Task, tasks
from bench.evaluation.variants import QUICK_SIZES, QUICK_TEST_ROWS, TEST_ROWS
from bench.inference.fleet import open_house
from bench.statistics.bundle_check import check_bundle
from service.projects.operations import create_key
from service.projects.schemas import Scope
from tests.api.server import serve
from tests.support.stack import Stack
from tunecurve.cli import run

PRESIDIO_ROWS = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="tasks to run")
    parser.add_argument("--quick", action="store_true", help="100 test rows, tuned on 50")
    parser.add_argument("--out", type=Path, help="where bundles are kept")
    options = parser.parse_args()
    if not DATA.exists():
        parser.exit(message="../shared/data is not here: nothing to run\n")
    folder = options.out or Path(tempfile.mkdtemp())
    with open_house({"requests_per_minute": "60000"}) as house:
        for task in tasks():
            if not options.only or task.name in options.only:
                show(house.stack, task, folder, quick=options.quick)


def show(stack: Stack, task: Task, folder: Path, *, quick: bool) -> None:
    """Run one task; print its answer, the verdict on its bundle, and the check."""
    bundle = make_bundle(stack, task, folder, quick=quick)
    verified = run(["verify", str(bundle)]) == 0
    with zipfile.ZipFile(bundle) as archive:
        answer = json.loads(archive.read("experiment.json"))["answer"]
    found = check_bundle(str(bundle))
    stated, own = (
        f"{d:+.1f} [{low:.1f}, {high:.1f}]" for d, low, high in (found.stated, found.found)
    )
    print(
        f"{task.name}: {answer}\n  verified: {verified}; {found.first} against {found.second}, "
        f"{found.groups} groups: {stated}; own bootstrap {own}; agrees: {found.agrees}",
        flush=True,
    )


def make_bundle(stack: Stack, task: Task, folder: Path, *, quick: bool) -> Path:
    kind = task.file_name.rpartition(".")[2]
    file_id = stack.upload(task.rows(), name=task.file_name, file_format=kind)
    rows = PRESIDIO_ROWS if task.name == "presidio" else TEST_ROWS
    prepare = {
        **task.options,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": QUICK_SIZES if quick else _sizes(task),
        "test_size": QUICK_TEST_ROWS if quick else rows,
    }
    spec = {"name": task.name, "prepare": prepare, "shots": 3}
    job = stack.succeeded(stack.submit("experiment", spec).id, seconds=3600)
    file = folder / f"{task.name}.zip"
    services = stack.services
    key = create_key(
        stack.project_id, name=task.name, scopes=[Scope.READ], sessions=services.sessions
    )
    with serve(services.settings) as api:
        command = ["bundle", job.outputs["experiment"], "--out", str(file)]
        if run([*command, "--url", api.url, "--key", key.secret]):
            raise RuntimeError(f"{task.name} was not bundled")
    return file


def _sizes(task: Task) -> tuple[int, ...]:
    return (50, 200, 450) if task.name == "presidio" else (50, 200, 800)


if __name__ == "__main__":
    main()
