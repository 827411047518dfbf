"""A database and objects made by version 0.1 before the rooms were renamed: read, and gone on with.

`stored/v0.1.tar.xz` holds the SQLite file and the emulator's Cloud Storage of one experiment on 300
synthetic rows: zero-shot, few-shot, and tunings on 20, 50 and 100 examples, made by commit b3e1534.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.datasets.queries import ready_dataset
from service.evaluation.queries import get_evaluation, list_evaluations
from service.experiments.queries import get_experiment
from service.migrations.upgrade import TablesVersion, tables_version, upgrade
from service.projects.models import Project
from tests.support.stack import Stack, start_stack

pytestmark = pytest.mark.journey

STORED = Path(__file__).parent / "stored" / "v0.1.tar.xz"
DATASET = "ds_01m8jnq6w5fzq85155b94vzzjc"
EXPERIMENT = "exp_01m8jnq6rees89ayk3avwymx49"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    database_url = f"sqlite:///{tmp_path / 'tunecurve.db'}"
    upgrade(database_url)
    with start_stack(tmp_path, database_url) as started:
        with started.services.sessions.reading() as session:
            started.project_id = session.query(Project.id).order_by(Project.id).limit(1).one()[0]
        started.start()
        yield started


def test_stored_data_of_the_version_before_is_read_and_evaluated(stack: Stack) -> None:
    sessions, project_id = stack.services.sessions, stack.project_id
    assert tables_version(sessions) is TablesVersion.CURRENT

    experiment, variants = get_experiment(EXPERIMENT, project_id=project_id, sessions=sessions)
    assert [each.name for each in variants] == [
        "zero-shot", "few-shot (2)", "tuned@20", "tuned@50", "tuned@100",
    ]  # fmt: skip
    assert all(each.score is not None for each in variants)
    assert experiment.answer is not None
    assert experiment.answer.startswith("Tuning on 100 examples scores")

    old = list_evaluations(project_id, after=None, limit=10, sessions=sessions)
    assert len(old) == len(variants)
    with sessions.reading() as session:
        dataset = ready_dataset(DATASET, project_id=project_id, session=session)
    assert dataset.train_sizes == (20, 50, 100)

    job = stack.succeeded(stack.submit("evaluate", {"dataset": DATASET, "variant": "zero_shot"}).id)
    row, scores = get_evaluation(
        job.outputs["evaluation"], project_id=project_id, sessions=sessions
    )
    assert (row.rows, row.outcomes) == (20, {"ok": 20})
    before = next(found for evaluation, found in old if evaluation.kind == "zero_shot")
    assert scores[0].value == pytest.approx(before[0].value)  # one base rule answers for all models


def test_an_experiment_on_stored_data_compares_old_examples(stack: Stack) -> None:
    spec = {"dataset": DATASET, "train_sizes": [20], "shots": 2}
    job = stack.succeeded(stack.submit("experiment", spec).id)
    variants = stack.variants(job)
    assert set(variants) == {"zero-shot", "few-shot (2)", "tuned@20"}
    assert all(each.coverage == 1.0 for each in variants.values())
