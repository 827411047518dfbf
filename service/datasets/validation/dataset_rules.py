"""The rules about a dataset as a whole: sizes, labels, the limits of the model. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Iterator

from service.datasets.examples import Split, fold
from service.datasets.row_faults import Level
from service.datasets.validation.dataset_facts import DatasetFacts, DatasetRule, Finding
from service.datasets.validation.split_rules import SPLIT_RULES

_FEW_OF_A_LABEL = 5
_DOMINANT = 0.95
_LABELS_LOOKED_AT = 1000
_LABELS_SHOWN = 10
_EAST_ASIAN = frozenset({"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "HANGUL"})


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
        message = f"{facts.train_rows} rows for training; tuning is advised from {advised}"
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


def single_label(facts: DatasetFacts) -> Iterator[Finding]:
    if len(facts.labels) == 1 and "" not in facts.labels:
        yield Finding("single_label", "all rows have one label: there is nothing to tell apart")


def dominant_label(facts: DatasetFacts) -> Iterator[Finding]:
    if len(set(facts.labels)) <= 1:
        return
    label, count = Counter(facts.labels).most_common(1)[0]
    total = sum(facts.labels.values())
    if count > _DOMINANT * total and label:
        message = f"one label has {count} of {total} rows: always answering it scores as much"
        yield Finding("dominant_label", message)


def rare_labels(facts: DatasetFacts) -> Iterator[Finding]:
    rare = [label for label, count in facts.labels.items() if label and count < _FEW_OF_A_LABEL]
    if rare and facts.kept >= facts.base_model.limits.advised_rows:
        message = f"{len(rare)} labels have fewer than {_FEW_OF_A_LABEL} rows each"
        yield Finding("rare_labels", message)


def labels_not_taught(facts: DatasetFacts) -> Iterator[Finding]:
    for split, labels in sorted(facts.held_out_labels.items()):
        absent = sorted(set(labels) - facts.first_taught.keys())
        if absent:
            message = (
                f"{len(absent)} labels are asked in {split.value} and never taught: no row of "
                f"train has {', '.join(absent[:_LABELS_SHOWN])}; add rows that differ from these"
            )
            yield Finding("labels_not_taught", message)


def labels_not_tested(facts: DatasetFacts) -> Iterator[Finding]:
    tested = facts.held_out_labels.get(Split.TEST, ())
    absent = sorted(facts.first_taught.keys() - set(tested))
    if absent:
        message = (
            f"{len(absent)} labels are in train and in no row of test: scores say nothing about "
            f"{', '.join(absent[:_LABELS_SHOWN])}"
        )
        yield Finding("labels_not_tested", message)


def train_size_without_labels(facts: DatasetFacts) -> Iterator[Finding]:
    whole = len(facts.first_taught)
    for size in facts.train_sizes:
        taught = sum(first < size for first in facts.first_taught.values())
        if taught < whole:
            message = f"train size {size} teaches {taught} of {whole} labels; leave it out"
            yield Finding("train_size_without_labels", message)


def labels_differ_in_case(facts: DatasetFacts) -> Iterator[Finding]:
    spelt = Counter(fold(label) for label in facts.labels)
    twice = sum(1 for count in spelt.values() if count > 1)
    if twice:
        message = f"{twice} labels are spelt in several ways, by case or white space; use one"
        yield Finding("labels_differ_in_case", message)


def labels_in_several_scripts(facts: DatasetFacts) -> Iterator[Finding]:
    scripts = {script for label in list(facts.labels)[:_LABELS_LOOKED_AT] for script in _of(label)}
    if len(scripts) > 1:
        message = f"the labels are written in {', '.join(sorted(scripts))}; use one language"
        yield Finding("labels_in_several_scripts", message)


def _of(label: str) -> set[str]:
    """Return the scripts of a label's letters, by the first word of their Unicode names.

    Japanese is written in three scripts and Korean in two: these are one here.
    """
    scripts = (unicodedata.name(each, "OTHER").split()[0] for each in label if each.isalpha())
    return {"CJK" if script in _EAST_ASIAN else script for script in scripts}


def missing_labels(facts: DatasetFacts) -> Iterator[Finding]:
    missing = sorted(set(facts.label_set) - set(facts.labels))
    if missing and facts.label_set:
        message = (
            f"{len(missing)} labels of the set never occur: {', '.join(missing[:_LABELS_SHOWN])}"
        )
        yield Finding("labels_never_used", message)


def mixed_targets(facts: DatasetFacts) -> Iterator[Finding]:
    if 0.5 * facts.kept < facts.json_targets < facts.kept:
        others = facts.kept - facts.json_targets
        message = f"{facts.json_targets} targets are JSON and {others} are not; use one form"
        yield Finding("mixed_target_forms", message)


def conflicting_targets(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.conflict_rows:
        message = (
            f"{facts.conflict_rows} rows share their input with a row of another target: "
            "no model can be right on both"
        )
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
    single_label,
    dominant_label,
    rare_labels,
    labels_not_taught,
    labels_not_tested,
    train_size_without_labels,
    labels_differ_in_case,
    labels_in_several_scripts,
    missing_labels,
    mixed_targets,
    conflicting_targets,
    *SPLIT_RULES,
)


def dataset_findings(facts: DatasetFacts) -> list[Finding]:
    """Return every rule about the whole that a dataset does not pass."""
    return [caution for rule in DATASET_RULES for caution in rule(facts)]
