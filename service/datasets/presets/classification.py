"""One label of a closed set for each text."""

from collections.abc import Callable, Mapping

from service.datasets.drops import DropReason
from service.datasets.examples import fold
from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions, distinct_labels, required_option
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem
from service.datasets.presets.targets import label_of


def classification_preset(options: PresetOptions) -> Preset:
    """Return the preset of a set of labels.

    Raises Invalid `labels_required`, `labels_alike`, `template_not_allowed` and so on.
    """
    options.allow_only("labels", "instruction", preset="classification")
    if not options.labels or isinstance(options.labels, str):
        raise required_option("labels", "the preset 'classification' needs the labels there are")
    return Preset(
        name="classification",
        instruction=options.instruction_or(
            instruction_for(options.labels), labels=", ".join(options.labels)
        ),
        columns=("text", "label"),
        metrics=("accuracy", "macro_f1", "exact_match"),
        convert=_converter(options.labels),
        near_groups=True,
        labels=options.labels,
        answer=AnswerForm(AnswerKind.LABEL, labels=options.labels),
    )


def instruction_for(labels: tuple[str, ...]) -> str:
    return f"Classify the text. Return only one of these labels: {', '.join(labels)}"


def _converter(labels: tuple[str, ...]) -> Callable[[Mapping[str, str]], Converted]:
    spelled = distinct_labels(labels)

    def convert(fields: Mapping[str, str]) -> Converted:
        text, label = fields["text"].strip(), label_of(fields["label"], spelled)
        if not text:
            return DropReason.EMPTY_TEXT
        if isinstance(label, RowProblem):
            return label
        same = fold(text)
        return ConvertedExample(f"Text: {text}", label, (label,), same, (same, label), label=label)

    return convert
