"""What a job may say about a training on this machine, and the plan that comes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.catalogue.catalogue import Places, load_catalogue
from service.catalogue.local_names import hub_model_of, is_local
from service.experiments.schemas import ExperimentSpec
from service.inference.local.folders import LocalTask
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.providers.local.plan import plan_training
from service.tuning.schemas import HyperparametersSpec, TuneSpec

DATASET = "ds_01jd5v3q0e8k3v7m2x9y4z6abc"
COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
LOCAL: dict[str, Any] = {"dataset": DATASET, "train_size": 5, "provider": "local"}


@pytest.mark.parametrize("name", ["local:gpt2", "local:My_model.v2", f"local:owner/gpt2@{COMMIT}"])
def test_folders_and_commits_of_the_hub_are_names(name: str) -> None:
    assert TuneSpec(**LOCAL, base_model=name).base_model == name
    assert is_local(name)
    assert (hub_model_of(name) is None) == ("/" not in name)


@pytest.mark.parametrize(
    "name",
    [
        "local:../etc",
        "local:/etc/passwd",
        "local:a/b",
        "local:a/b@main",
        f"local:a@{COMMIT}",
        "local:.hidden",
        f"local:a/../b@{COMMIT}",
        "local:",
        "owner/gpt2",
    ],
)
def test_paths_and_branches_are_none(name: str) -> None:
    with pytest.raises(ValidationError, match="base_model"):
        TuneSpec(**LOCAL, base_model=name)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"provider": "local"}, "name one"),
        ({"provider": "local", "base_model": "gemini-3.1-flash-lite"}, "name one"),
        ({"provider": "vertex", "base_model": "local:gpt2"}, "set `provider` to `local`"),
        ({"provider": "vertex", "local": {}}, "goes with the provider `local`"),
        (
            {
                "provider": "local",
                "base_model": "local:gpt2",
                "hyperparameters": {"learning_rate_multiplier": 2},
            },
            "of the provider `vertex`",
        ),
        (
            {"provider": "local", "base_model": "local:gpt2", "service_account": "a@b.iam"},
            "service_account",
        ),
        (
            {"provider": "local", "base_model": "local:a", "local": {"modules_to_save": ["../x"]}},
            "modules_to_save",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TuneSpec.model_validate({"dataset": DATASET, "train_size": 5, **spec})


def test_a_classifier_in_an_experiment_takes_no_shots() -> None:
    spec = {"dataset": DATASET, "provider": "local", "base_model": "local:gpt2"}
    assert ExperimentSpec.model_validate(spec).trains_classifier
    with pytest.raises(ValidationError, match="reads the text alone"):
        ExperimentSpec.model_validate({**spec, "tuned_shots": 2})
    writer = {**spec, "tuned_shots": 2, "local": {"task": "causal_lm"}}
    assert not ExperimentSpec.model_validate(writer).trains_classifier


def test_what_is_left_open_is_filled_in() -> None:
    classifier = plan_training("local:a", LocalTrainingSpec(), HyperparametersSpec())
    assert (classifier.epochs, classifier.learning_rate, classifier.adapter_size) == (3, 5e-5, 0)
    writer = plan_training(
        "local:a", LocalTrainingSpec(task=LocalTask.CAUSAL_LM), HyperparametersSpec(epochs=1)
    )
    assert (writer.epochs, writer.learning_rate, writer.adapter_size) == (1, 2e-4, 8)
    assert writer.hyperparameters["task"] == "causal_lm"


def test_a_curve_has_about_two_hundred_points_and_a_short_training_one_a_step() -> None:
    plan = plan_training("local:a", LocalTrainingSpec(batch_size=10), HyperparametersSpec(epochs=4))
    assert plan.logging_steps(100) == 1
    assert plan.logging_steps(100_000) == 200


def test_local_models_cost_nothing_answer_here_and_are_never_synthetic() -> None:
    catalogue = load_catalogue(places=Places(emulated=True))
    assert catalogue.serving_location("local:gpt2") == "local"
    assert catalogue.tuned_location("local:gpt2") == "local"
    assert catalogue.training_cost("local:gpt2", tokens=10**9) == 0
    assert not catalogue.is_synthetic("local:gpt2")
    assert catalogue.is_synthetic("gemini-3.1-flash-lite")
    assert catalogue.entry("local:gpt2").listed
