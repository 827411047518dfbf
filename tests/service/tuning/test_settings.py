"""What a `tune` job may ask for, and what its base model is known not to have."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud import aiplatform_v1 as v1
from pydantic import ValidationError

from service.catalogue.catalogue import Catalogue, load_catalogue
from service.clock import utc_now
from service.errors import Invalid, NotFound
from service.ids import Prefix, new_id
from service.jobs.lifecycle import Reason
from service.jobs.ports import InputNotReady, JobKind, Waiting
from service.tuning.inputs.checks import check_rows, check_settings
from service.tuning.inputs.settings import TuningSettings, settings_of
from service.tuning.kinds import tune_kind
from service.tuning.models import TunedModel
from service.tuning.ports import Continuation, Hyperparameters, ProviderEvaluation, TuningRequest
from service.tuning.providers.vertex_requests import tuning_job
from service.tuning.queries import get_model
from service.tuning.schemas import TuneSpec, present_model
from tests.service.tuning.conftest import CATALOGUE, TRAIN_SIZE, TUNE, Tuning
from tests.support.runs import reserve_run

KEY = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
EVALUATION = {"metrics": ["bleu"], "output_uri": "gs://bkt/e"}
SOURCED = 'source = "a test"\nas_of = "2026-11-29"\n'


def with_facts(folder: Path, table: str) -> Catalogue:
    """Return the catalogue with a tunable model `gemini-test` of these facts."""
    lifecycle = f'[models."gemini-test".lifecycle]\nstate = "tunable"\n{SOURCED}'
    file = folder / "catalogue.toml"
    file.write_text(f'{lifecycle}[models."gemini-test".{table}\n{SOURCED}', encoding="utf-8")
    return load_catalogue(file)


def settings(base_model: str = "gemini-3.1-flash-lite", **more: Any) -> TuningSettings:
    spec = TuneSpec.model_validate({"dataset": new_id(Prefix.DATASET), "train_size": 9, **more})
    return settings_of(spec, base_model=base_model, continue_from=None)


def require_refusal(error: Invalid, pointer: str, words: str) -> None:
    assert [fault.pointer for fault in error.faults] == [pointer]
    assert words in error.message


@pytest.mark.parametrize(
    ("more", "pointer", "words"),
    [
        ({"hyperparameters": {"adapter_size": 32}}, "/spec/hyperparameters/adapter_size", "1, 2"),
        ({"hyperparameters": {"beta": 0.1}}, "/spec/hyperparameters/beta", "preference"),
        ({"kms_key_name": KEY}, "/spec/kms_key_name", "no key of your own"),
        ({"method": "preference"}, "/spec/method", "supervised"),
        ({"validation": False, "evaluation": EVALUATION}, "/spec/evaluation", "validation"),
    ],
)
def test_what_the_base_model_lacks_is_refused_with_what_it_has(
    more: dict[str, Any], pointer: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_settings(CATALOGUE, settings(**more))
    require_refusal(caught.value, pointer, words)


@pytest.mark.parametrize(
    ("table", "more", "pointer", "words"),
    [
        ('tuning]\nmethods = ["supervised"]', {}, "/spec/continue_from", "not tuned further"),
        (
            "tuning]\nevaluation_regions = []",
            {"evaluation": EVALUATION},
            "/spec/evaluation",
            "no region",
        ),
        (
            "tuning]\ncmek = true",
            {"kms_key_name": KEY.replace("us-central1", "europe-west4")},
            "/spec/kms_key_name",
            "use a key there",
        ),
    ],
)
def test_methods_and_places_follow_the_catalogue(
    tmp_path: Path, table: str, more: dict[str, Any], pointer: str, words: str
) -> None:
    catalogue = with_facts(tmp_path, table)
    with pytest.raises(Invalid) as caught:
        check_settings(catalogue, settings("gemini-test", **more), continues=not more)
    require_refusal(caught.value, pointer, words)


@pytest.mark.parametrize(
    ("table", "pointer", "words"),
    [
        ("limits]\ntraining_rows = 5", "/spec/train_size", "at most 5 rows"),
        ("limits]\nvalidation_rows = 3", "/spec/validation", "at most 3"),
    ],
)
def test_more_rows_than_a_base_model_takes_are_refused(
    tmp_path: Path, table: str, pointer: str, words: str
) -> None:
    catalogue = with_facts(tmp_path, table)
    with pytest.raises(Invalid) as caught:
        check_rows(catalogue, settings("gemini-test"), splits={"validation": {"rows": 4}})
    require_refusal(caught.value, pointer, words)
    check_rows(CATALOGUE, settings(), splits={"validation": {"rows": 4}})
    check_rows(catalogue, settings("gemini-9", validation=False), splits={})


def test_a_setting_that_cannot_be_is_refused_when_the_job_is_submitted(
    tuning: Tuning, tmp_path: Path
) -> None:
    few = with_facts(tmp_path, f"limits]\ntraining_rows = {TRAIN_SIZE - 1}")
    kind = tune_kind("gemini-test", catalogue=few)
    with pytest.raises(Invalid) as caught:
        submitted(tuning, kind, hyperparameters={"beta": 0.5})
    assert caught.value.code == "beta_not_used"
    with pytest.raises(Invalid) as caught:
        submitted(tuning, kind)
    assert caught.value.code == "too_many_rows"


def submitted(tuning: Tuning, kind: JobKind, **more: Any) -> Tuning:
    """Return another job on the dataset of `tuning`."""
    spec = {**tuning.run.spec, **more}
    run = reserve_run(kind, spec, project_id=tuning.run.project_id, sessions=tuning.sessions)
    return replace(tuning, run=run)


def reserved_model(tuning: Tuning, **columns: Any) -> str:
    """Write the row of a model, made by the job of `tuning`, and return its id."""
    row = {"provider": "vertex", "base_model": "gemini-3.1-flash-lite", "created_at": utc_now()}
    run, model_id = tuning.run, new_id(Prefix.MODEL)
    with tuning.sessions.transaction() as session:
        session.add(
            TunedModel(id=model_id, project_id=run.project_id, job_id=run.id, **(row | columns))
        )
    return model_id


@pytest.mark.parametrize(
    "more",
    [
        {"labels": {"tunecurve-run": "x"}},
        {"labels": {"Team": "x"}},
        {"labels": {"9lives": "x"}},
        {"labels": {"team": "A B"}},
        {"labels": {"team": "x" * 64}},
        {"labels": {f"k{n}": "" for n in range(57)}},
        {"service_account": "someone@example.com"},
        {"kms_key_name": "projects/p/keys/k"},
        {"evaluation": {"output_uri": "gs://bkt/e"}},
        {"evaluation": {"metrics": ["bleu"], "output_uri": "/tmp/e"}},
        {"base_model": "gemini-3.5-flash", "continue_from": {"model": new_id(Prefix.MODEL)}},
    ],
)
def test_what_google_would_refuse_is_refused_here(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TuneSpec.model_validate({"dataset": new_id(Prefix.DATASET), "train_size": 9, **more})


def test_labels_may_be_of_any_script() -> None:
    labels = {"équipe": "größe_1", "команда": "первая", "team": ""}
    spec = TuneSpec.model_validate(
        {"dataset": new_id(Prefix.DATASET), "train_size": 9, "labels": labels}
    )
    assert spec.labels == labels


def test_every_field_reaches_the_provider_by_its_name() -> None:
    request = TuningRequest(
        run_id="tun_1",
        project_id="proj_1",
        base_model="gemini-3.1-flash-lite",
        training_uri="gs://b/train.jsonl",
        validation_uri="gs://b/validation.jsonl",
        display_name="name",
        hyperparameters=Hyperparameters(3, 0.5, 4),
        continue_from=Continuation("projects/1/locations/us/models/2@1", "3"),
        export_last_checkpoint_only=True,
        evaluation=ProviderEvaluation(
            ("exact_match", "bleu", "rougeL"),
            ("Is {response} right?",),
            "gs://b/e",
            None,
            8,
            9,
            0.5,
        ),
        description="words",
        labels={"team": "a"},
        service_account="t@p.iam.gserviceaccount.com",
        kms_key_name=KEY,
    )

    sent = v1.TuningJob.to_dict(tuning_job(request), use_integers_for_enums=False)

    assert "base_model" not in sent
    assert sent["pre_tuned_model"]["tuned_model_name"] == "projects/1/locations/us/models/2@1"
    assert sent["pre_tuned_model"]["checkpoint_id"] == "3"
    assert sent["description"] == "words"
    assert sent["labels"]["team"] == "a"
    assert set(sent["labels"]) == {"team", "tunecurve-run", "tunecurve-project"}
    assert sent["service_account"] == "t@p.iam.gserviceaccount.com"
    assert sent["encryption_spec"]["kms_key_name"] == KEY
    spec = sent["supervised_tuning_spec"]
    assert spec["export_last_checkpoint_only"]
    assert spec["hyper_parameters"]["adapter_size"] == "ADAPTER_SIZE_FOUR"
    evaluation = spec["evaluation_config"]
    assert [next(name for name in each if name.endswith("_spec")) for each in evaluation["metrics"]]
    assert evaluation["autorater_config"]["sampling_count"] == 8
    assert evaluation["inference_generation_config"]["max_output_tokens"] == 9
    assert evaluation["output_config"]["gcs_destination"]["output_uri_prefix"] == "gs://b/e"


def continued(tuning: Tuning, model: str, **more: Any) -> Tuning:
    return submitted(tuning, TUNE, continue_from={"model": model, **more})


def test_a_tuning_continues_from_a_checkpoint_of_a_tuned_model(tuning: Tuning) -> None:
    first = tuning.run.outputs["model"]
    child = continued(tuning, first, checkpoint="1")
    with pytest.raises(InputNotReady) as caught:
        child.step()
    assert caught.value.job_id == tuning.run.id
    tuning.step()
    tuning.poll_until_ended()
    tuning.step()

    assert child.step() == Waiting(Reason.PROVIDER)
    child.poll_until_ended()
    assert child.step() is None

    row = get_model(
        child.run.outputs["model"], project_id=child.run.project_id, sessions=child.sessions
    )
    assert (row.base_model, row.train_size) == ("gemini-3.1-flash-lite", TRAIN_SIZE)
    shown = present_model(row, job=None, tuning=None)
    assert shown.continued_from is not None
    assert (shown.continued_from.model, shown.continued_from.checkpoint) == (first, "1")
    again = continued(tuning, first, checkpoint="1")
    assert again.step() is None
    another = continued(tuning, first, checkpoint="2")
    assert another.step() == Waiting(Reason.PROVIDER)


def test_what_the_provider_evaluated_itself_is_shown_beside_its_model(tuning: Tuning) -> None:
    wanted = {"metrics": ["exact_match", "rougeL"], "prompts": ["?"], "output_uri": "gs://bkt/e"}
    child = submitted(tuning, TUNE, evaluation=wanted)
    child.step()
    child.poll_until_ended()
    child.step()

    row = get_model(
        child.run.outputs["model"], project_id=child.run.project_id, sessions=child.sessions
    )
    found = present_model(row, job=None, tuning=child.row()).provider_evaluations
    assert [each.checkpoint for each in found] == [
        each["checkpoint_id"] for each in row.checkpoints
    ]
    assert {tuple(score.metric for score in each.scores) for each in found} == {
        ("exact_match", "rouge")
    }
    assert all(0 <= score.value <= 1 for each in found for score in each.scores)
    assert {each.error for each in found} == {"The emulator has no model to judge by."}


def test_a_model_to_go_on_from_must_be_there_with_its_checkpoint(tuning: Tuning) -> None:
    with pytest.raises(NotFound) as missing:
        continued(tuning, new_id(Prefix.MODEL))
    assert missing.value.faults[0].pointer == "/spec/continue_from/model"
    ready = reserved_model(
        tuning,
        resource_name="projects/1/locations/us/models/2@1",
        checkpoints=[{"checkpoint_id": "1"}, {"checkpoint_id": "2"}],
        ready_at=utc_now(),
    )
    with pytest.raises(Invalid, match="it has: 1, 2") as unknown:
        continued(tuning, ready, checkpoint="7")
    assert unknown.value.faults[0].pointer == "/spec/continue_from/checkpoint"
    gone = reserved_model(tuning, ready_at=utc_now())
    with pytest.raises(Invalid, match="no model at the provider"):
        continued(tuning, gone)


def test_a_tuning_may_go_without_validation_rows_and_early_checkpoints(tuning: Tuning) -> None:
    bare = submitted(tuning, TUNE, validation=False, export_last_checkpoint_only=True)
    bare.step()
    bare.poll_until_ended()
    bare.step()
    model = get_model(
        bare.run.outputs["model"], project_id=bare.run.project_id, sessions=tuning.sessions
    )
    assert len(model.checkpoints) == 1
    url = f"{tuning.emulator.url}/v1/{bare.row().resource_name}"
    asked = httpx.get(url, timeout=300).json()["supervisedTuningSpec"]
    assert "validationDatasetUri" not in asked
    assert asked["exportLastCheckpointOnly"]
