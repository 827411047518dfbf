"""What a tuning was planned to use beside what it has used and was billed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.catalogue.catalogue import Catalogue
from service.jobs.ports import Estimate
from service.text import counted

_ASSUMED = "epochs_assumed"
_UNFIT = "by the dataset's report none is too long or unfit"


def planned_use(estimate: Estimate, *, epochs: int, examples: int) -> dict[str, Any]:
    """Return what is kept of a plan when its tuning is sent: money in nano-dollars, tokens of all
    epochs; `epochs_assumed` where the provider was left to choose them.
    """
    return {
        "epochs": epochs,
        "epochs_assumed": any(code == _ASSUMED for code, _ in estimate.notes),
        "examples": examples,
        "tokens": estimate.training_tokens,
        "nano": estimate.cost_nano,
        "low_nano": estimate.low_nano,
        "high_nano": estimate.high_nano,
    }


@dataclass(frozen=True, slots=True)
class TrainingBill:
    """What a tuning has used: `tokens` of all epochs, `nano` by the catalogue's price, None where
    that is unknown. `counted` is false where the provider reported no tokens: the plan counts then.
    """

    epochs: int
    steps: int | None
    examples: int | None
    tokens: int
    nano: int | None
    counted: bool

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def bill_of(
    result: Mapping[str, Any], planned: Mapping[str, Any], *, base_model: str, catalogue: Catalogue
) -> TrainingBill:
    """Return the bill of a tuning from what its provider reported. The rest counts as it
    was planned, never as nothing.
    """
    statistics: Mapping[str, Any] = result.get("statistics") or {}
    chosen: Mapping[str, Any] = result.get("hyperparameters") or {}
    epochs = int(chosen.get("epochs") or planned.get("epochs") or 1)
    one_pass = int(result.get("training_tokens") or 0)
    tokens = one_pass * epochs or int(planned.get("tokens") or 0)
    return TrainingBill(
        epochs=epochs,
        steps=statistics.get("tuning_step_count"),
        examples=statistics.get("tuning_dataset_example_count"),
        tokens=tokens,
        nano=catalogue.training_cost(base_model, tokens=tokens),
        counted=one_pass > 0,
    )


def row_findings(
    statistics: Mapping[str, Any], *, expected: int | None
) -> Iterator[tuple[str, str]]:
    """Yield a code and a sentence for what the provider says of the rows that our report does not.

    `expected` rows were sent, each checked to be short enough.
    """
    used = statistics.get("tuning_dataset_example_count")
    cut = int(statistics.get("total_truncated_example_count") or 0)
    dropped = int(statistics.get("dropped_example_count") or 0)
    if used is not None and expected is not None and used != expected:
        sent = counted(expected, "example was", "examples were")
        yield "examples_differ", f"{sent} sent, and the provider counts {used}"
    if cut:
        yield (
            "examples_truncated",
            f"the provider cut or left out {counted(cut, 'example')}; {_UNFIT}",
        )
    if dropped:
        yield (
            "examples_dropped",
            f"the provider says why it dropped {counted(dropped, 'example')}; {_UNFIT}",
        )
