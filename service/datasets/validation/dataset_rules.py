"""The rules about a dataset as a whole: sizes, the limits of the model, splits and groups. Pure."""

from collections.abc import Iterator

from service.datasets.row_faults import Level
from service.datasets.validation.dataset_facts import DatasetFacts, DatasetRule, Finding
from service.datasets.validation.label_rules import LABEL_RULES
from service.text import counted

_FEW_TEST_GROUPS = 10
_MANY_UNUSED = 0.1
_LARGE_GROUP = 0.25


def assumed_encoding(facts: DatasetFacts) -> Iterator[Finding]:
    for name in facts.assumed_encodings:
        message = (
            f"the source is not UTF-8 and was read as {name}, its most likely encoding; if letters "
            "are wrong, name `encoding` in the format"
        )
        yield Finding("assumed_encoding", message)


def few_training_rows(facts: DatasetFacts) -> Iterator[Finding]:
    advised = facts.base_model.limits.advised_rows
    if facts.train_rows < advised:
        rows = counted(facts.train_rows, "row")
        message = f"{rows} for training; tuning is advised from {advised}"
        yield Finding("few_training_rows", message)


def unknown_model(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.base_model.name and not facts.base_model.listed:
        message = (
            f"the limits of {facts.base_model.name!r} are not known; the general ones were "
            f"applied. Known: {', '.join(facts.known_models)}"
        )
        yield Finding("unknown_model", message)


def model_retires(facts: DatasetFacts) -> Iterator[Finding]:
    retired = facts.base_model.retirement_due(facts.today)
    if retired is not None:
        message = f"{facts.base_model.name} was said to retire on {retired}; choose a newer model"
        yield Finding("model_retired", message)


def training_rows_over_limit(facts: DatasetFacts) -> Iterator[Finding]:
    most = facts.base_model.limits.training_rows
    if facts.largest_train_size > most:
        message = f"{facts.largest_train_size} training rows; the model takes {most}"
        yield Finding("training_rows_over_limit", message, Level.ERROR)


def training_file_over_limit(facts: DatasetFacts) -> Iterator[Finding]:
    most = facts.base_model.limits.file_bytes
    if facts.training_bytes > most:
        message = f"a training file of about {facts.training_bytes} bytes; {most} are allowed"
        yield Finding("training_file_over_limit", message, Level.ERROR)


def validation_rows_over_limit(facts: DatasetFacts) -> Iterator[Finding]:
    rows, limits = facts.validation_rows, facts.base_model.limits
    share = int(limits.validation_share * facts.largest_train_size)
    if rows > limits.validation_rows:
        message = f"{rows} validation rows; {limits.validation_rows} are allowed"
        yield Finding("validation_rows_over_limit", message, Level.ERROR)
    elif rows > limits.validation_rows_free and rows > share:
        message = (
            f"{rows} validation rows; beyond {limits.validation_rows_free} they may be "
            f"{limits.validation_share:.0%} of the training rows, here {share}"
        )
        yield Finding("validation_share_over_limit", message, Level.ERROR)


def long_instruction(facts: DatasetFacts) -> Iterator[Finding]:
    half = facts.base_model.limits.tokens_per_example // 2
    if facts.instruction_tokens > half:
        message = f"the instruction has about {facts.instruction_tokens} tokens of the {2 * half}"
        yield Finding("long_instruction", message)


def mixed_targets(facts: DatasetFacts) -> Iterator[Finding]:
    if 0.5 * facts.kept < facts.json_targets < facts.kept:
        others = facts.kept - facts.json_targets
        message = f"{facts.json_targets} targets are JSON and {others} are not; use one form"
        yield Finding("mixed_target_forms", message)


def conflicting_targets(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.conflict_rows:
        rows = counted(facts.conflict_rows, "row shares its", "rows share their")
        message = f"{rows} input with a row of another target: no model can be right on both"
        yield Finding(
            "conflicting_targets", message, rows=facts.conflicts, count=facts.conflict_rows
        )


def few_test_groups(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.test_groups < _FEW_TEST_GROUPS:
        message = (
            f"the test rows come from {facts.test_groups} groups: their scores say little "
            "about others"
        )
        yield Finding("few_test_groups", message)


def rows_like_held_out(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.near_test_rows > 0.1 * max(facts.kept, 1):
        left_out = counted(facts.near_test_rows, "row was", "rows were")
        message = f"{left_out} left out as too like held-out rows; name a better group"
        yield Finding("many_rows_like_held_out", message)


def unused_rows(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.unused_rows > _MANY_UNUSED * (facts.kept + facts.unused_rows):
        unused = counted(facts.unused_rows, "row is", "rows are")
        message = (
            f"{unused} used nowhere, because their groups are held out; hold out fewer rows, or "
            "name a finer `group`"
        )
        yield Finding("many_rows_unused", message, count=facts.unused_rows)


def untested_group(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.untested_group_rows > _LARGE_GROUP * facts.kept:
        message = (
            f"one group has {facts.untested_group_rows} of {facts.kept} rows and is trained on: "
            "scores say nothing about rows like these"
        )
        yield Finding("large_group_untested", message, count=facts.untested_group_rows)


def splits_move(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.moves:
        message = (
            "the data are few for this test size: added rows may bring test rows into training, "
            "so compare models on the newer test"
        )
        yield Finding("splits_move", message)


DATASET_RULES: tuple[DatasetRule, ...] = (
    assumed_encoding,
    few_training_rows,
    training_rows_over_limit,
    training_file_over_limit,
    validation_rows_over_limit,
    unknown_model,
    model_retires,
    long_instruction,
    *LABEL_RULES,
    mixed_targets,
    conflicting_targets,
    few_test_groups,
    rows_like_held_out,
    unused_rows,
    untested_group,
    splits_move,
)


def dataset_findings(facts: DatasetFacts) -> list[Finding]:
    """Return every rule about the whole that a dataset does not pass."""
    return [caution for rule in DATASET_RULES for caution in rule(facts)]
