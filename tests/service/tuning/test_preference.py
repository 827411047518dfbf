"""Preference tuning: the same job on pairs, sent once, billed, learnt from both answers."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.clock import utc_now
from service.database import Sessions
from service.datasets.queries import ready_dataset
from service.errors import Invalid
from service.files.operations import create_file
from service.ids import Prefix, new_id
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting
from service.tuning.billing.costs import estimate_training
from service.tuning.inputs.settings import settings_of
from service.tuning.models import TunedModel
from service.tuning.queries import get_model
from service.tuning.schemas import TuneSpec, present_model
from tests.emulator.examples import ask
from tests.service.tuning.conftest import (
    CATALOGUE,
    LIMITS,
    SYNTHETIC,
    TRAIN_SIZE,
    TUNE,
    Tuning,
    prepare,
    store,
    tuning_of,
)
from tests.support.emulator import EmulatorProcess
from tests.support.faulty_proxy import FaultyProxy
from tests.support.runs import add_project, reserve_run

SPEC: dict[str, Any] = {
    "method": "preference",
    "base_model": "gemini-2.5-flash",
    "allow_unlisted_model": True,
    "hyperparameters": {"epochs": 3, "beta": 0.2, "adapter_size": 2},
}
GOOD, BAD = "a splendid and happy day", "a dreadful and sorry day"


def pair(at: int) -> str:
    """Return a CSV row whose prompt says plainly which of the two labels is preferred."""
    chosen, rejected = ("WARM", "COLD") if at % 2 else ("COLD", "WARM")
    return f"note {at * 37}: {GOOD if at % 2 else BAD},{chosen},{rejected}\n"


@pytest.fixture
def preference(
    sessions: Sessions,
    emulator: EmulatorProcess,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Tuning:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    project_id = add_project(sessions)
    file_id = create_file(
        [b"prompt,chosen,rejected\n", *(pair(at).encode() for at in range(60))],
        name="pairs.csv",
        format="csv",
        digest=None,
        project_id=project_id,
        sessions=sessions,
        store=store(),
        limits=LIMITS,
    ).id
    prepared = prepare(
        sessions,
        project_id,
        preset="generic",
        form="preference",
        source={"type": "file", "file_id": file_id},
        train_sizes=[TRAIN_SIZE],
        test_size=6,
        validation_size=4,
        near_duplicates=None,
    )
    return tuning_of(prepared, sessions=sessions, emulator=emulator, url=proxy.url, **SPEC)


def test_a_preference_tuning_is_sent_learnt_and_billed(preference: Tuning) -> None:
    assert preference.step() == Waiting(Reason.PROVIDER)
    preference.poll_until_ended()
    assert preference.step() is None

    (ledger,) = preference.tunings()
    url = f"{preference.emulator.url}/v1/{preference.row().resource_name}"
    sent = httpx.get(url, timeout=300).json()
    assert "supervisedTuningSpec" not in sent
    asked = sent["preferenceOptimizationSpec"]
    assert asked["validationDatasetUri"]
    assert asked["hyperParameters"]["beta"] == pytest.approx(0.2)
    assert asked["hyperParameters"]["adapterSize"] == "ADAPTER_SIZE_TWO"
    row = get_model(
        preference.run.outputs["model"],
        project_id=preference.run.project_id,
        sessions=preference.sessions,
    )
    shown = present_model(row, job=None, tuning=None)
    assert shown.documented_only
    assert (shown.method.value, shown.hyperparameters["beta"]) == ("preference", 0.2)
    assert shown.training["tuning_dataset_example_count"] == TRAIN_SIZE
    assert shown.billing is not None
    assert shown.billing.billed.tokens == ledger["trained_tokens"]
    assert not shown.billing.findings
    for text, label in ((GOOD, "WARM"), (BAD, "COLD")):
        assert ask(preference.emulator, str(row.endpoint), f"note 9999: {text}") == label
    with preference.sessions.reading() as session:
        dataset = ready_dataset(
            str(row.dataset_id), project_id=preference.run.project_id, session=session
        )
    spec = TuneSpec.model_validate(preference.run.spec)
    settings = settings_of(spec, base_model=row.base_model, continue_from=None)
    planned = estimate_training(dataset, settings, catalogue=CATALOGUE)
    assert "preference_not_observed" in dict(planned.notes)
    supervised = settings_of(
        spec.model_copy(update={"method": "supervised"}),
        base_model=row.base_model,
        continue_from=None,
    )
    plain = estimate_training(dataset, supervised, catalogue=CATALOGUE)
    assert (planned.training_tokens or 0) > 1.5 * (plain.training_tokens or 0)


def test_a_supervised_model_is_continued_by_preference_from_a_checkpoint(
    preference: Tuning,
) -> None:
    spec = preference.run.spec
    plain = {**spec, "method": "supervised", "hyperparameters": {"epochs": 2}}
    first = another(preference, plain)
    first.step()
    first.poll_until_ended()
    first.step()
    model = first.run.outputs["model"]

    start = {"model": model, "checkpoint": "1"}
    child = another(preference, {**spec, "base_model": None, "continue_from": start})
    assert child.step() == Waiting(Reason.PROVIDER)
    child.poll_until_ended()
    assert child.step() is None

    url = f"{child.emulator.url}/v1/{child.row().resource_name}"
    sent = httpx.get(url, timeout=300).json()
    assert sent["preTunedModel"]["checkpointId"] == "1"
    assert sent["preferenceOptimizationSpec"]["hyperParameters"]["beta"] == pytest.approx(0.2)
    row = get_model(
        child.run.outputs["model"], project_id=child.run.project_id, sessions=child.sessions
    )
    shown = present_model(row, job=None, tuning=None)
    assert shown.documented_only
    assert shown.continued_from is not None
    assert (shown.continued_from.model, shown.continued_from.checkpoint) == (model, "1")
    for text, label in ((GOOD, "WARM"), (BAD, "COLD")):
        assert ask(child.emulator, str(row.endpoint), f"note 9999: {text}") == label


def another(tuning: Tuning, spec: dict[str, Any]) -> Tuning:
    run = reserve_run(TUNE, spec, project_id=tuning.run.project_id, sessions=tuning.sessions)
    return replace(tuning, run=run)


def test_a_lost_answer_is_found_again_and_nothing_is_sent_twice(
    preference: Tuning, proxy: FaultyProxy
) -> None:
    proxy.lose_next("answer")
    assert preference.step() == Waiting(Reason.RETRY, seconds=60)
    preference.step(settled=True)
    preference.poll_until_ended()
    assert preference.step() is None
    assert len(preference.tunings()) == 1


def test_what_cannot_be_learnt_from_pairs_is_refused(preference: Tuning) -> None:
    def refusal(**more: Any) -> str:
        spec = {**preference.run.spec, **more}
        with pytest.raises(Invalid) as caught:
            reserve_run(
                TUNE, spec, project_id=preference.run.project_id, sessions=preference.sessions
            )
        return caught.value.code

    assert refusal(hyperparameters={"adapter_size": 32}) == "adapter_size_not_available"
    assert refusal(base_model="gemini-2.5-pro") == "method_not_available"
    assert refusal(base_model="gemini-3.1-flash-lite") == "method_not_available"
    evaluation = {"metrics": ["bleu"], "output_uri": "gs://bkt/e"}
    assert refusal(evaluation=evaluation) in {"bucket_not_allowed", "evaluation_not_available"}
    with preference.sessions.transaction() as session:
        newer = TunedModel(
            id=new_id(Prefix.MODEL),
            project_id=preference.run.project_id,
            job_id=preference.run.id,
            provider="vertex",
            base_model="gemini-3.1-flash-lite",
            resource_name="projects/1/locations/us/models/2@1",
            created_at=utc_now(),
            ready_at=utc_now(),
        )
        session.add(newer)
    start = {"model": newer.id}
    assert refusal(base_model=None, continue_from=start) == "method_not_available"
    no_pairs = prepare(preference.sessions, preference.run.project_id, **SYNTHETIC)
    assert refusal(dataset=no_pairs.outputs["dataset"]) == "pairs_required"
