"""One label of a closed set for each text."""

from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions, distinct_labels, required_option
from service.datasets.presets.preset import Preset
from service.datasets.presets.targets import label_converter


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
        convert=label_converter("label", distinct_labels(options.labels)),
        near_groups=True,
        labels=options.labels,
        answer=AnswerForm(AnswerKind.LABEL, labels=options.labels),
    )


def instruction_for(labels: tuple[str, ...]) -> str:
    return f"Classify the text. Return only one of these labels: {', '.join(labels)}"
