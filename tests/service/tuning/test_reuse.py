"""An identical tuning that has succeeded is used again and costs nothing; another one is not."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import Places, load_catalogue
from service.database import Sessions, open_sessions
from service.inference.ledger import cost_of_job
from service.jobs.lifecycle import Reason
from service.jobs.operations import Request, reserve_ids
from service.jobs.ports import Estimate, Waiting
from service.tuning.kinds import tune_kind
from service.tuning.models import TunedModel
from service.tuning.operations import run_tune
from service.tuning.queries import get_model
from service.tuning.removal import remove_model
from tests.service.tuning.conftest import (
    CATALOGUE,
    TUNE,
    PreparedOnce,
    Tuning,
    tuning_of,
    tuning_of_run,
)
from tests.support.emulator import EmulatorProcess
from tests.support.faulty_proxy import FaultyProxy
from tests.support.runs import MemoryRun, reserve_run
from tests.support.stored_rows import StoredRows, read_rows

EMULATED = load_catalogue(places=Places(emulated=True))


@pytest.fixture(scope="module")
def paid(
    prepared_once: PreparedOnce, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MemoryRun, StoredRows]:
    """A job whose tuning has succeeded and was paid for, and the rows of its project."""
    file = tmp_path_factory.mktemp("paid") / "tunecurve.db"
    shutil.copy(migrated_sqlite, file)
    emulator = prepared_once.emulator
    with (
        closing(open_sessions(f"sqlite:///{file}")) as sessions,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        prepared = prepared_once.write(sessions)
        tuning = tuning_of(prepared, sessions=sessions, emulator=emulator, url=emulator.url)
        tuning.step()
        tuning.poll_until_ended()
        tuning.step()
        return tuning.run, read_rows(sessions)


@pytest.fixture
def tuned(
    paid: tuple[MemoryRun, StoredRows],
    sessions: Sessions,
    emulator: EmulatorProcess,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Tuning:
    """That job, in the test's own database."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    run, rows = paid
    rows.write(sessions)
    return tuning_of_run(replace(run, sessions=sessions), emulator=emulator, url=proxy.url)


def again(tuning: Tuning, **more: Any) -> Tuning:
    """Return another job of the project for the same tuning, but for `more`."""
    spec = {**tuning.run.spec, **more}
    run = reserve_run(TUNE, spec, project_id=tuning.run.project_id, sessions=tuning.sessions)
    return replace(tuning, run=run)


def model_of(tuning: Tuning) -> TunedModel:
    run = tuning.run
    return get_model(run.outputs["model"], project_id=run.project_id, sessions=tuning.sessions)


def created(tuning: Tuning) -> int:
    return int(tuning.emulator.ledger()["tunings_created"])


def estimate(tuning: Tuning, **more: Any) -> Estimate:
    kind = tune_kind("gemini-3.1-flash-lite", catalogue=CATALOGUE)
    spec = kind.spec.model_validate({**tuning.run.spec, **more})
    request = Request("tune", spec, {}, tuning.run.project_id)
    assert kind.estimate
    with tuning.sessions.reading() as session:
        return kind.estimate(session, reserve_ids(request, kind))


def test_an_identical_tuning_is_used_again_and_costs_nothing(tuned: Tuning) -> None:
    before, first = created(tuned), model_of(tuned)
    second = again(tuned, display_name="another name", labels={"team": "a"}, description="d")

    assert second.step() is None

    model = model_of(second)
    assert created(tuned) == before
    assert (model.endpoint, model.resource_name) == (first.endpoint, first.resource_name)
    assert model.checkpoints == first.checkpoints
    assert model.hyperparameters == first.hyperparameters
    assert model.synthetic
    assert (model.reused_from, first.reused_from) == (tuned.run.id, None)
    with tuned.sessions.reading() as session:
        assert cost_of_job(session, second.run.id)["actual"] == "0.00"
    assert second.step() is None  # a second claim of the same job
    assert created(tuned) == before


@pytest.mark.parametrize(
    "more",
    [
        {"fresh": True},
        {"hyperparameters": {"epochs": 2}},
        {"hyperparameters": {"adapter_size": 4}},
        {"base_model": "gemini-3.5-flash-lite"},
        {"validation": False},
        {"export_last_checkpoint_only": True},
    ],
)
def test_another_tuning_or_a_fresh_one_is_sent(tuned: Tuning, more: dict[str, Any]) -> None:
    before = created(tuned)
    assert again(tuned, **more).step() == Waiting(Reason.PROVIDER)
    assert created(tuned) == before + 1


def test_a_tuning_elsewhere_or_of_an_emulator_is_another_one(tuned: Tuning) -> None:
    before = created(tuned)
    services = replace(tuned.services(), catalogue=EMULATED)
    assert run_tune(again(tuned).run, services) == Waiting(Reason.PROVIDER)
    assert created(tuned) == before + 1


def test_a_tuning_that_is_under_way_or_was_cancelled_is_not_used(tuning: Tuning) -> None:
    tuning.step()
    before = created(tuning)
    assert again(tuning).step() == Waiting(Reason.PROVIDER)
    assert created(tuning) == before + 1


def test_a_tuning_that_its_provider_knows_no_more_is_not_used(
    tuned: Tuning, proxy: FaultyProxy
) -> None:
    before = created(tuned)
    for _ in range(3):
        proxy.answer_next("GET", 404)
    assert again(tuned).step() == Waiting(Reason.PROVIDER)
    assert created(tuned) == before + 1


def test_one_odd_404_has_no_tuning_paid_for_twice(tuned: Tuning, proxy: FaultyProxy) -> None:
    before = created(tuned)
    proxy.answer_next("GET", 404)
    assert again(tuned).step() is None
    assert created(tuned) == before


def test_a_tuning_that_was_left_at_the_provider_is_used_again(tuned: Tuning) -> None:
    first = model_of(tuned)
    with tuned.sessions.transaction() as session:
        left = remove_model(session, first.id, project_id=first.project_id, keep_tuning=True)
    assert {each.target for each in left} >= {first.endpoint, first.resource_name}
    assert again(tuned).step() is None


def test_what_a_tuning_left_goes_with_the_last_model_that_uses_it(tuned: Tuning) -> None:
    first, second = model_of(tuned), again(tuned)
    assert second.step() is None
    other = model_of(second)
    removed = []
    for model in (first, other):
        with tuned.sessions.transaction() as session:
            removed.append(remove_model(session, model.id, project_id=model.project_id))
    assert {each.needed_by for each in removed[0]} == {other.id}
    assert {each.needed_by for each in removed[1]} == {""}
    assert {each.target for each in removed[0]} == {each.target for each in removed[1]}
    assert again(tuned).step() is not None  # it is paid for again


def test_the_plan_says_that_a_tuning_is_used_again(tuned: Tuning) -> None:
    reused, fresh = estimate(tuned), estimate(tuned, fresh=True)
    assert (reused.cost_nano, reused.training_tokens) == (0, 0)
    assert [code for code, _ in reused.notes] == ["tuning_reused"]
    assert tuned.run.id in reused.notes[0][1]
    assert fresh.cost_nano
