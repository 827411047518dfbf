"""What examples must be before money is spent on them. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.datasets.deduplication import NumberedDraft
from service.datasets.examples import Example
from service.datasets.faults import ROWS_SHOWN, RowFaults
from service.datasets.splits import Splits

FEW_TRAINING_ROWS = 100  # where Vertex AI's guide says to start
FEW_TEST_GROUPS = 10
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that does not stop a dataset but that its owner should know."""

    code: str
    message: str


def check_drafts(drafts: Iterable[NumberedDraft]) -> None:
    """Raise Invalid naming the first 20 rows that cannot be examples.

    Codes: `row_without_target`, `row_without_text`, `nul_character` (a database keeps none).
    """
    faults = RowFaults()
    for row, draft in drafts:
        if not draft.target:
            faults.add(row, "row_without_target", "the row has no target to learn")
        elif not draft.text:
            faults.add(row, "row_without_text", "the row has no text to answer")
        elif "\0" in draft.text or any("\0" in each for each in draft.references):
            faults.add(row, "nul_character", "the row holds a NUL character")
    faults.finish()


def cautions_about(splits: Splits) -> list[Caution]:
    """Return what is weak about a dataset: little data, few groups, odd characters."""
    everything = [*splits.train, *splits.validation, *splits.test]
    return [
        *_few_training_rows(len(splits.train)),
        *_few_test_groups(len({example.group for example in splits.test})),
        *_control_characters(everything),
    ]


def _few_training_rows(count: int) -> list[Caution]:
    if count >= FEW_TRAINING_ROWS:
        return []
    message = f"{count} rows for training; tuning is advised from {FEW_TRAINING_ROWS}"
    return [Caution("few_training_rows", message)]


def _few_test_groups(count: int) -> list[Caution]:
    if count >= FEW_TEST_GROUPS:
        return []
    message = f"the test rows come from {count} groups: their scores say little about others"
    return [Caution("few_test_groups", message)]


def _control_characters(examples: Sequence[Example]) -> list[Caution]:
    rows = sorted(
        example.row
        for example in examples
        if _CONTROL.search(example.text) or _CONTROL.search(example.target)
    )
    if not rows:
        return []
    shown = ", ".join(map(str, rows[:ROWS_SHOWN]))
    return [Caution("control_characters", f"{len(rows)} rows hold some, the first: {shown}")]
