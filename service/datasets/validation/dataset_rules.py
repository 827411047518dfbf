"""The rules about a dataset as a whole: sizes, labels, the limits of the model. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from service.datasets.validation.levels import Level
from service.datasets.validation.limits import ModelLimits, known_models
from service.datasets.wording import fold

FEW_TEST_GROUPS = 10
_FEW_OF_A_LABEL = 5
_DOMINANT = 0.95
_LABELS_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Whole:
    """What the rules need to know. `labels` counts examples of all splits, `json_targets` those
    whose target looks like JSON, `conflicts` those that share their input but not their target.
    """

    train_rows: int
    validation_rows: int
    test_groups: int
    largest_train_size: int
    training_bytes: int
    instruction_tokens: int
    kept: int
    moves: bool
    limits: ModelLimits
    today: date
    labels: Mapping[str, int] = field(default_factory=dict)
    label_set: Sequence[str] = ()
    json_targets: int = 0
    conflicts: Sequence[int] = ()
    conflict_rows: int = 0
    near_test_rows: int = 0


@dataclass(frozen=True, slots=True)
class Caution:
    """A rule that the dataset does not pass; `rows` are numbers, where it is about rows."""

    code: str
    message: str
    level: Level = Level.WARNING
    rows: Sequence[int] = ()
    count: int | None = None


WholeRule = Callable[[Whole], Iterator[Caution]]


def few_training_rows(whole: Whole) -> Iterator[Caution]:
    advised = whole.limits.advised_rows
    if whole.train_rows < advised:
        message = f"{whole.train_rows} rows for training; tuning is advised from {advised}"
        yield Caution("few_training_rows", message)


def few_test_groups(whole: Whole) -> Iterator[Caution]:
    if whole.test_groups < FEW_TEST_GROUPS:
        message = (
            f"the test rows come from {whole.test_groups} groups: their scores say little "
            "about others"
        )
        yield Caution("few_test_groups", message)


def unknown_model(whole: Whole) -> Iterator[Caution]:
    if whole.limits.model and not whole.limits.known:
        message = (
            f"the limits of {whole.limits.model!r} are not known; the general ones were applied. "
            f"Known: {', '.join(known_models())}"
        )
        yield Caution("unknown_model", message)


def model_retires(whole: Whole) -> Iterator[Caution]:
    retires = whole.limits.retires
    if retires is not None and retires <= whole.today:
        message = f"{whole.limits.model} was said to retire on {retires}; choose a newer model"
        yield Caution("model_retired", message)


def training_rows_over_limit(whole: Whole) -> Iterator[Caution]:
    most = whole.limits.training_rows
    if whole.largest_train_size > most:
        message = f"{whole.largest_train_size} training rows; the model takes {most}"
        yield Caution("training_rows_over_limit", message, Level.ERROR)


def training_file_over_limit(whole: Whole) -> Iterator[Caution]:
    most = whole.limits.file_bytes
    if whole.training_bytes > most:
        message = f"a training file of about {whole.training_bytes} bytes; {most} are allowed"
        yield Caution("training_file_over_limit", message, Level.ERROR)


def validation_rows_over_limit(whole: Whole) -> Iterator[Caution]:
    rows, limits = whole.validation_rows, whole.limits
    share = int(limits.validation_share * whole.largest_train_size)
    if rows > limits.validation_rows:
        message = f"{rows} validation rows; {limits.validation_rows} are allowed"
        yield Caution("validation_rows_over_limit", message, Level.ERROR)
    elif rows > limits.validation_rows_free and rows > share:
        message = (
            f"{rows} validation rows; beyond {limits.validation_rows_free} they may be "
            f"{limits.validation_share:.0%} of the training rows, here {share}"
        )
        yield Caution("validation_share_over_limit", message, Level.ERROR)


def long_instruction(whole: Whole) -> Iterator[Caution]:
    half = whole.limits.tokens_per_example // 2
    if whole.instruction_tokens > half:
        message = f"the instruction has about {whole.instruction_tokens} tokens of the {2 * half}"
        yield Caution("long_instruction", message)


def single_label(whole: Whole) -> Iterator[Caution]:
    if len(whole.labels) == 1 and "" not in whole.labels:
        yield Caution("single_label", "all rows have one label: there is nothing to tell apart")


def dominant_label(whole: Whole) -> Iterator[Caution]:
    if len(set(whole.labels)) <= 1:
        return
    label, count = Counter(whole.labels).most_common(1)[0]
    total = sum(whole.labels.values())
    if count > _DOMINANT * total and label:
        message = f"one label has {count} of {total} rows: always answering it scores as much"
        yield Caution("dominant_label", message)


def rare_labels(whole: Whole) -> Iterator[Caution]:
    rare = [label for label, count in whole.labels.items() if label and count < _FEW_OF_A_LABEL]
    if rare and whole.kept >= whole.limits.advised_rows:
        message = f"{len(rare)} labels have fewer than {_FEW_OF_A_LABEL} rows each"
        yield Caution("rare_labels", message)


def labels_differ_in_case(whole: Whole) -> Iterator[Caution]:
    spelt = Counter(fold(label) for label in whole.labels)
    twice = sum(1 for count in spelt.values() if count > 1)
    if twice:
        message = f"{twice} labels are spelt in several ways, by case or white space; use one"
        yield Caution("labels_differ_in_case", message)


def labels_in_several_scripts(whole: Whole) -> Iterator[Caution]:
    scripts = {script for label in list(whole.labels)[:_LABELS_LOOKED_AT] for script in _of(label)}
    if len(scripts) > 1:
        message = f"the labels are written in {', '.join(sorted(scripts))}; use one language"
        yield Caution("labels_in_several_scripts", message)


def _of(label: str) -> set[str]:
    """Return the scripts of a label's letters, by the first word of their Unicode names."""
    return {unicodedata.name(each, "OTHER").split()[0] for each in label if each.isalpha()}


def missing_labels(whole: Whole) -> Iterator[Caution]:
    missing = sorted(set(whole.label_set) - set(whole.labels))
    if missing and whole.label_set:
        message = f"{len(missing)} labels of the set never occur: {', '.join(missing[:10])}"
        yield Caution("labels_never_used", message)


def mixed_targets(whole: Whole) -> Iterator[Caution]:
    if 0.5 * whole.kept < whole.json_targets < whole.kept:
        others = whole.kept - whole.json_targets
        message = f"{whole.json_targets} targets are JSON and {others} are not; use one form"
        yield Caution("mixed_target_forms", message)


def conflicting_targets(whole: Whole) -> Iterator[Caution]:
    if whole.conflict_rows:
        message = (
            f"{whole.conflict_rows} rows share their input with a row of another target: "
            "no model can be right on both"
        )
        yield Caution(
            "conflicting_targets", message, rows=whole.conflicts, count=whole.conflict_rows
        )


def rows_like_held_out(whole: Whole) -> Iterator[Caution]:
    if whole.near_test_rows > 0.1 * max(whole.kept, 1):
        message = (
            f"{whole.near_test_rows} rows were left out because they are too like held-out rows; "
            "name a better group"
        )
        yield Caution("many_rows_like_held_out", message)


def splits_move(whole: Whole) -> Iterator[Caution]:
    if whole.moves:
        message = "the data are few for this test size: added rows may change what is in the test"
        yield Caution("splits_move", message)


WHOLE_RULES: tuple[WholeRule, ...] = (
    few_training_rows,
    few_test_groups,
    training_rows_over_limit,
    training_file_over_limit,
    validation_rows_over_limit,
    unknown_model,
    model_retires,
    long_instruction,
    single_label,
    dominant_label,
    rare_labels,
    labels_differ_in_case,
    labels_in_several_scripts,
    missing_labels,
    mixed_targets,
    conflicting_targets,
    rows_like_held_out,
    splits_move,
)


def cautions_about(whole: Whole) -> list[Caution]:
    """Return every rule about the whole that a dataset does not pass."""
    return [caution for rule in WHOLE_RULES for caution in rule(whole)]
