"""The variants that an experiment compares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.evaluation.prompts import VariantKind
from service.experiments.variants import Variant, plan_variants

SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=8, unique=True)


def test_baselines_come_first_and_sizes_are_sorted() -> None:
    assert plan_variants([200, 50], shots=3) == (
        Variant("zero-shot", VariantKind.ZERO_SHOT),
        Variant("few-shot (3)", VariantKind.FEW_SHOT, shots=3),
        Variant("tuned@50", VariantKind.TUNED, train_size=50),
        Variant("tuned@200", VariantKind.TUNED, train_size=200),
    )


def test_without_shots_there_is_no_few_shot_baseline() -> None:
    assert [variant.name for variant in plan_variants([50], shots=0)] == ["zero-shot", "tuned@50"]


@given(sizes=SIZES, shots=st.integers(0, 10))
def test_every_size_is_tuned_once_and_every_name_is_its_own(sizes: list[int], shots: int) -> None:
    variants = plan_variants(sizes, shots=shots)
    assert [each.train_size for each in variants if each.train_size] == sorted(sizes)
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
        plan_variants(sizes, shots=3)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [
        ("/spec/train_sizes", code)
    ]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        plan_variants([0, 0], shots=-1)
    assert [fault.code for fault in caught.value.faults] == [
        "train_size_not_positive",
        "train_sizes_repeated",
        "shots_negative",
    ]
