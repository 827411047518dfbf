"""The rules about the labels of a dataset. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Iterator

from service.datasets.examples import Split, fold
from service.datasets.validation.dataset_facts import DatasetFacts, DatasetRule, Finding
from service.text import counted

_FEW_OF_A_LABEL = 5
_DOMINANT = 0.95
_LABELS_LOOKED_AT = 1000
_LABELS_SHOWN = 10
_EAST_ASIAN = frozenset({"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "HANGUL"})


def single_label(facts: DatasetFacts) -> Iterator[Finding]:
    if len(facts.labels) == 1 and "" not in facts.labels:
        yield Finding("single_label", "all rows have one label: there is nothing to learn")


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
        message = (
            f"{counted(len(rare), 'label has', 'labels have')} fewer than {_FEW_OF_A_LABEL} rows"
        )
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
    if len(scripts) > 1 and scripts != {"CJK", "LATIN"}:  # East Asian texts use both
        message = f"the labels are written in {', '.join(sorted(scripts))}; use one language"
        yield Finding("labels_in_several_scripts", message)


def _of(label: str) -> set[str]:
    """Return the scripts of a label's letters, by the first word of their Unicode names.

    Japanese is written in three scripts and Korean in two: these are one here. Signs such as the
    micro sign are taken for their letters, and Greek beside Latin ones is a sign itself.
    """
    letters = filter(str.isalpha, unicodedata.normalize("NFKC", label))
    names = (unicodedata.name(each, "OTHER").split()[0] for each in letters)
    scripts = {"CJK" if name in _EAST_ASIAN else name for name in names}
    return scripts - {"GREEK"} if "LATIN" in scripts else scripts


def missing_labels(facts: DatasetFacts) -> Iterator[Finding]:
    missing = sorted(set(facts.label_set) - set(facts.labels))
    if missing and facts.label_set:
        message = (
            f"{len(missing)} labels of the set never occur: {', '.join(missing[:_LABELS_SHOWN])}"
        )
        yield Finding("labels_never_used", message)


def labels_not_in_instruction(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.absent_labels:
        names = sorted(facts.absent_labels, key=lambda name: (-facts.absent_labels[name], name))
        message = (
            f"{len(names)} labels of the targets are not in the instruction: "
            f"{', '.join(names[:_LABELS_SHOWN])}; give `labels`, or `labels: train`"
        )
        yield Finding("labels_not_in_instruction", message)


def no_placeholders(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.lacks_placeholders:
        message = (
            "no target holds a placeholder such as [NAME], <NAME> or {{name}}: nothing is masked, "
            "or otherwise, and scores of masking would be perfect for any answer"
        )
        yield Finding("no_placeholders", message)


def placeholders_in_other_brackets(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.square_brackets_asked and facts.unsquare_placeholders:
        message = (
            f"{facts.unsquare_placeholders} placeholders are not in square brackets, which the "
            "instruction asks for; give `instruction`"
        )
        yield Finding("placeholders_in_other_brackets", message)


LABEL_RULES: tuple[DatasetRule, ...] = (
    single_label,
    dominant_label,
    rare_labels,
    labels_not_taught,
    labels_not_tested,
    train_size_without_labels,
    labels_differ_in_case,
    labels_in_several_scripts,
    missing_labels,
    labels_not_in_instruction,
    no_placeholders,
    placeholders_in_other_brackets,
)
