"""The rules about a dataset as a whole: sizes, the limits of the model. Pure."""

from collections.abc import Iterator

from service.datasets.row_faults import Level
from service.datasets.validation.dataset_facts import DatasetFacts, DatasetRule, Finding
from service.datasets.validation.label_rules import LABEL_RULES
from service.datasets.validation.split_rules import SPLIT_RULES
from service.text import counted


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
    *SPLIT_RULES,
)


def dataset_findings(facts: DatasetFacts) -> list[Finding]:
    """Return every rule about the whole that a dataset does not pass."""
    return [caution for rule in DATASET_RULES for caution in rule(facts)]
