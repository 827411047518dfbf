"""What rules about a dataset as a whole are checked against, and what they find. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from service.catalogue.entry import ModelEntry
from service.datasets.examples import Split
from service.datasets.row_faults import Level


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What the rules are checked against.

    `labels` counts examples of all splits, `first_taught` has the place in train, from 0, of the
    first example of a label, `absent_labels` counts labels of placeholders that the instruction
    does not name, `unsquare_placeholders` those in other brackets, `lacks_placeholders` says that
    targets should have some and none has, `json_targets` targets that look
    like JSON, `conflicts` are examples with an input that another row has with
    another target. `unused_rows` are
    those of held-out groups in no split, `untested_group_rows` those of the largest trained group.
    """

    train_rows: int
    validation_rows: int
    test_groups: int
    largest_train_size: int
    training_bytes: int
    instruction_tokens: int
    kept: int
    moves: bool
    base_model: ModelEntry
    known_models: Sequence[str]
    today: date
    labels: Mapping[str, int] = field(default_factory=dict)
    label_set: Sequence[str] = ()
    first_taught: Mapping[str, int] = field(default_factory=dict)
    held_out_labels: Mapping[Split, Collection[str]] = field(default_factory=dict)
    train_sizes: Sequence[int] = ()
    absent_labels: Mapping[str, int] = field(default_factory=dict)
    unsquare_placeholders: int = 0
    square_brackets_asked: bool = False
    lacks_placeholders: bool = False
    json_targets: int = 0
    conflicts: Sequence[int] = ()
    conflict_rows: int = 0
    near_test_rows: int = 0
    unused_rows: int = 0
    untested_group_rows: int = 0
    assumed_encodings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the dataset does not pass; `rows` are numbers, where it is about rows."""

    code: str
    message: str
    level: Level = Level.WARNING
    rows: Sequence[int] = ()
    count: int | None = None


DatasetRule = Callable[[DatasetFacts], Iterator[Finding]]
