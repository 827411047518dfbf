"""The variants of an experiment: the ways of using the model that it compares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.datasets.queries import DatasetView
from service.errors import Fault, Invalid
from service.evaluation.schemas import VariantKind
from service.experiments.schemas import ExperimentSpec


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of using the model; `train_size` counts examples and is None unless tuned."""

    name: str
    kind: VariantKind
    shots: int = 0
    train_size: int | None = None


def variants_of(spec: ExperimentSpec, dataset: DatasetView | None) -> tuple[Variant, ...]:
    """Return the variants of a spec with the train sizes that apply: those of the dataset to be
    made, those that the spec names, or every size that `dataset` was prepared with.

    Raises what `plan_variants` raises.
    """
    prepared = dataset.train_sizes if dataset else ()
    given = spec.prepare.train_sizes if spec.prepare else spec.train_sizes
    return plan_variants(given or prepared, shots=spec.shots)


def plan_variants(train_sizes: Sequence[int], *, shots: int) -> tuple[Variant, ...]:
    """Return zero-shot, few-shot unless `shots` is 0, then one tuned variant per size, smallest
    first.

    Raises Invalid at `/spec/train_sizes` or `/spec/shots` with every fault found.
    """
    faults = [*_size_faults(train_sizes), *_shot_faults(shots)]
    if faults:
        raise Invalid("the variants cannot be planned as asked", faults=faults)
    few_shot = [Variant(f"few-shot ({shots})", VariantKind.FEW_SHOT, shots=shots)] if shots else []
    tuned = [
        Variant(f"tuned@{size}", VariantKind.TUNED, train_size=size) for size in sorted(train_sizes)
    ]
    return (Variant("zero-shot", VariantKind.ZERO_SHOT), *few_shot, *tuned)


def _size_faults(train_sizes: Sequence[int]) -> Iterable[Fault]:
    pointer = "/spec/train_sizes"
    if not train_sizes:
        yield Fault(pointer, "train_sizes_empty", "at least one training size is needed")
    if any(size < 1 for size in train_sizes):
        yield Fault(pointer, "train_size_not_positive", "a training size is at least 1")
    if len(set(train_sizes)) < len(train_sizes):
        yield Fault(pointer, "train_sizes_repeated", "each training size may stand only once")


def _shot_faults(shots: int) -> Iterable[Fault]:
    if shots < 0:
        yield Fault("/spec/shots", "shots_negative", "the number of shots is 0 or more")
