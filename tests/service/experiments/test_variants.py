"""The variants that an experiment compares."""

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from service.datasets.queries import DatasetView
from service.errors import Invalid
from service.evaluation.schemas import VariantKind
from service.experiments.hyperparameter_sweep import PRESETS
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import Variant, plan_variants, training_sets, variants_of

DATASET = "ds_01jd5v0000000000000000000a"
SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=8, unique=True)


def spec(**options: Any) -> ExperimentSpec:
    return ExperimentSpec.model_validate({"dataset": DATASET, **options})


def test_baselines_come_first_and_sizes_are_sorted() -> None:
    assert plan_variants([200, 50], spec(shots=3)) == (
        Variant("zero-shot", VariantKind.ZERO_SHOT),
        Variant("few-shot (3)", VariantKind.FEW_SHOT, shots=3),
        Variant("tuned@50", VariantKind.TUNED, train_size=50),
        Variant("tuned@200", VariantKind.TUNED, train_size=200),
    )


def test_without_shots_there_is_no_few_shot_baseline() -> None:
    assert [variant.name for variant in plan_variants([50], spec(shots=0))] == [
        "zero-shot",
        "tuned@50",
    ]


@hypothesis.given(sizes=SIZES, shots=st.integers(0, 10))
def test_every_size_is_tuned_once_and_every_name_is_its_own(sizes: list[int], shots: int) -> None:
    variants = plan_variants(sizes, spec(shots=shots, tuned_shots=shots, chain_of_thought=True))
    tuned = [each.train_size for each in variants if each.kind is VariantKind.TUNED]
    assert tuned == sorted(sizes)
    assert len({each.name for each in variants}) == len(variants)


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ([], "train_sizes_empty"),
        ([50, 0], "train_size_not_positive"),
        ([-5], "train_size_not_positive"),
        ([50, 200, 50], "train_sizes_repeated"),
    ],
)
def test_sizes_that_make_no_curve_are_refused(sizes: list[int], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_variants(sizes, spec())
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [
        ("/spec/train_sizes", code)
    ]


def test_all_faults_are_reported_at_once() -> None:
    twice = {"compare_models": ["a-model", "a-model"], "tune_models": [{"base_model": "a-model"}]}
    with pytest.raises(Invalid) as caught:
        plan_variants([0, 0], spec(**twice))
    assert [fault.code for fault in caught.value.faults] == [
        "train_size_not_positive",
        "train_sizes_repeated",
        "base_models_repeated",
        "base_models_repeated",
    ]


def test_other_base_models_are_prompted_in_the_same_ways() -> None:
    planned = plan_variants(
        [50], spec(shots=2, chain_of_thought=True, tuned_shots=4, compare_models=["other-model"])
    )

    assert [(each.name, each.base_model) for each in planned] == [
        ("zero-shot", None),
        ("few-shot (2)", None),
        ("chain-of-thought", None),
        ("other-model: zero-shot", "other-model"),
        ("other-model: few-shot (2)", "other-model"),
        ("other-model: chain-of-thought", "other-model"),
        ("tuned@50", None),
        ("tuned@50 + 4 shots", None),
    ]
    assert (planned[-1].kind, planned[-1].shots) == (VariantKind.TUNED_FEW_SHOT, 4)


def test_other_base_models_are_tuned_on_the_same_sizes_and_prompted_unless_they_only_classify() -> (
    None
):
    local, hub = "local:tiny-gpt2", f"local:owner/name@{'a1b2c3d4' * 5}"
    others = [
        {"provider": "local", "base_model": local},
        {"provider": "local", "base_model": hub, "local": {"task": "causal_lm"}},
    ]
    planned = plan_variants([50, 200], spec(shots=0, tuned_shots=2, tune_models=others))

    shown = "local:owner/name@a1b2c3d"
    assert [each.name for each in planned if each.base_model] == [
        f"{shown}: zero-shot",
        f"{local}: tuned@50",
        f"{local}: tuned@200",
        f"{shown}: tuned@50",
        f"{shown}: tuned@200",
        f"{shown}: tuned@50 + 2 shots",
        f"{shown}: tuned@200 + 2 shots",
    ]
    assert {(each.base_model, each.provider) for each in planned if each.train_size} == {
        (None, "vertex"),
        (local, "local"),
        (hub, "local"),
    }


def _dataset_with(*sizes: int) -> DatasetView:
    files = {str(size): {"key": f"datasets/{size}.jsonl"} for size in sizes}
    return DatasetView("ds", "job", "pii", "", (), "key", files, {}, "", {})


@pytest.mark.parametrize(
    ("given", "dataset", "sizes"),
    [
        (
            {"dataset": "ds_01jd5v0000000000000000000a"},
            _dataset_with(200, 50, 1000),
            [50, 200, 1000],
        ),
        (
            {"dataset": "ds_01jd5v0000000000000000000a", "train_sizes": [50]},
            _dataset_with(50, 200),
            [50],
        ),
        (
            {
                "prepare": {
                    "preset": "pii",
                    "source": {"type": "synthetic"},
                    "train_sizes": [20, 40],
                }
            },
            None,
            [20, 40],
        ),
    ],
)
def test_train_sizes_are_those_asked_for_or_all_that_were_prepared(
    given: dict[str, object], dataset: DatasetView | None, sizes: list[int]
) -> None:
    variants = variants_of(ExperimentSpec.model_validate(given), dataset)

    assert [each.train_size for each in variants if each.train_size] == sizes


def test_a_sweep_tunes_every_size_with_every_configuration_once() -> None:
    grid = {"epochs": [2, 4], "learning_rate_multipliers": [1, 4], "adapter_sizes": [1]}
    planned = plan_variants([50, 200], spec(shots=0, sweep=grid))

    assert [each.name for each in planned if each.train_size] == [
        "tuned@50 e2 lr1 a1",
        "tuned@50 e2 lr4 a1",
        "tuned@50 e4 lr1 a1",
        "tuned@50 e4 lr4 a1",
        "tuned@200 e2 lr1 a1",
        "tuned@200 e2 lr4 a1",
        "tuned@200 e4 lr1 a1",
        "tuned@200 e4 lr4 a1",
    ]


def test_cells_of_preset_and_grid_that_are_equal_are_tuned_once() -> None:
    sweep = {
        "preset": "five_starting_points",
        "epochs": [4, 4, 8],
        "learning_rate_multipliers": [1],
        "adapter_sizes": [1],
        "shots": [0, 2],
    }
    planned = plan_variants([50], spec(shots=0, sweep=sweep))

    tuned = [each for each in planned if each.train_size]
    assert len(tuned) == 2 * 6  # five of the preset, one of the grid that is not among them
    assert len({each.tuning for each in tuned}) == 6
    assert {each.shots for each in tuned} == {0, 2}


def test_rates_batches_and_prompts_are_axes_and_stay_apart_from_the_training_settings() -> None:
    local = {"provider": "local", "base_model": "local:tiny-gpt2", "local": {"task": "causal_lm"}}
    sweep = {"learning_rates": [1e-4, 2e-4], "batch_sizes": [8], "prompts": ["Say it."]}
    planned = plan_variants([50], spec(shots=0, sweep=sweep, **local))

    tuned = [each for each in planned if each.train_size]
    assert [each.name for each in tuned] == [
        "tuned@50 rate0.0001 b8",
        "tuned@50 rate0.0002 b8",
        "tuned@50 rate0.0001 b8 p1",
        "tuned@50 rate0.0002 b8 p1",
    ]
    assert {(each.local.learning_rate, each.local.batch_size) for each in tuned if each.local} == {
        (1e-4, 8),
        (2e-4, 8),
    }
    assert {each.hyperparameters.shared.model_dump_json(exclude_none=True) for each in tuned} == {
        "{}"
    }
    assert [each.label for each in training_sets(planned)] == ["dataset p1"]


def test_replicates_by_subset_have_datasets_of_their_own() -> None:
    planned = plan_variants([50, 200], spec(shots=0, replicates=3, replicate_by="subset"))

    assert [each.label for each in training_sets(planned)] == ["dataset #2", "dataset #3"]
    assert len({each.tuning for each in planned if each.train_size}) == 2 * 3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"sweep": {"learning_rates": [1e-4]}},
            "`sweep.learning_rates` is of the provider `local`",
        ),
        ({"sweep": {"batch_sizes": [8]}}, "`sweep.batch_sizes` is of the provider `local`"),
        (
            {"sweep": {"prompts": ["a"]}, "provider": "local", "base_model": "local:a"},
            "a classifier reads the text alone: leave out `sweep.prompts`",
        ),
    ],
)
def test_an_axis_that_its_provider_does_not_have_is_refused(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        spec(**options)


def test_a_sweep_that_is_too_large_is_refused_with_its_size() -> None:
    sweep = {"epochs": list(range(1, 21)), "learning_rate_multipliers": list(range(1, 11))}
    with pytest.raises(Invalid, match="600 cells, 500 are the most"):
        plan_variants([50, 100, 200], spec(sweep=sweep))


def test_every_preset_of_a_sweep_names_its_source() -> None:
    assert all(preset.source and preset.as_of for preset in PRESETS.values())


def test_answers_held_to_a_schema_leave_no_room_to_reason() -> None:
    with pytest.raises(ValueError, match="no room for `chain_of_thought`"):
        spec(chain_of_thought=True, controlled=True)
