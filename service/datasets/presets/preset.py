"""What a preset is: how rows of one task become examples."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from service.datasets.drops import DropReason
from service.datasets.examples import Turn
from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm


@dataclass(frozen=True, slots=True)
class ConvertedExample:
    """An example before it has an id. Those of equal `identity` are duplicates.

    `history` are the turns before `text`, `system` is what the system says in this row only.
    `other_group` is what another choice of groups would keep together, empty if there is none.
    `rejected` is the answer that was not preferred, empty where `target` was chosen from no pair.
    """

    text: str
    target: str
    references: tuple[str, ...]
    group: str
    identity: tuple[str, str]
    label: str = ""
    system: str = ""
    history: tuple[Turn, ...] = ()
    other_group: str = ""
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row cannot be used and the job must fail."""

    code: str
    message: str


Converted = ConvertedExample | DropReason | RowProblem


@dataclass(frozen=True, slots=True)
class CopiedAnswer:
    """Targets are copied from their text, some in lower case; `no_answer` says there is none."""

    lowercase: bool = False
    no_answer: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """`columns` must be there, `optional_columns` may be; the first metric is the primary one.

    `convert` gets all of these by their names here, whatever the source calls them; an absent
    optional column is the empty text. `held_out_rows_per_group` is the most that one group
    gives to test, or to validation: None for tasks of many small groups. Where `test_groups` is
    given, a large test takes more of each, as long as so many groups share it. `near_groups`:
    rows name no group, so that a cluster of near-duplicates is one. `drops_near_duplicates` is
    false where nearly equal rows are different questions. `labels` is the closed set of targets,
    empty where there is none; `answer` is what a model may answer. `grains` name what may be kept
    together, first what `group` is and then what `other_group` is. `placeholders`: the labels of
    placeholders in targets are named by the instruction, which `labels_of_train` makes of those in
    train once there is a split. `pairs`: each row has a rejected answer, too. `pointer` is where
    the spec names columns.
    """

    name: str
    instruction: str
    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    convert: Callable[[Mapping[str, str]], Converted]
    optional_columns: tuple[str, ...] = ()
    held_out_rows_per_group: int | None = None
    test_groups: int | None = None
    near_groups: bool = False
    drops_near_duplicates: bool = True
    labels: tuple[str, ...] = ()
    answer: AnswerForm = ANY_TEXT
    grains: tuple[str, ...] = ()
    copied: CopiedAnswer | None = None
    placeholders: bool = False
    labels_of_train: Callable[[Iterable[str]], str] | None = None
    pairs: bool = False
    test_size: int = 200
    pointer: str = "/spec/columns"
