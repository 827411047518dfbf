"""Three-way sentiment, as in Tweet Sentiment Extraction."""

from collections.abc import Mapping
from dataclasses import replace

from service.datasets.drops import DropReason
from service.datasets.examples import fold
from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem
from service.datasets.presets.targets import label_of, spelled_labels

LABELS = ("positive", "negative", "neutral")
_SPELLED = spelled_labels(LABELS)


def _convert(fields: Mapping[str, str]) -> Converted:
    text, label = fields["text"].strip(), label_of(fields["sentiment"], _SPELLED)
    if not text:
        return DropReason.EMPTY_TEXT
    if isinstance(label, RowProblem):
        return label
    same = fold(text)
    return ConvertedExample(f"Text: {text}", label, (label,), same, (same, label), label=label)


def sentiment_preset(options: PresetOptions) -> Preset:
    """Return the preset, with another instruction if one is given. Raises Invalid."""
    options.allow_only("instruction", preset="sentiment")
    instruction = options.instruction_or(SENTIMENT.instruction, labels=", ".join(LABELS))
    return replace(SENTIMENT, instruction=instruction)


# The text keeps its case and inner white space; labels are lower-cased. Texts that differ in
# case and white space only are one group, and duplicates where they have the same label.
SENTIMENT = Preset(
    name="sentiment",
    instruction=(
        "Classify the sentiment of the text as positive, negative or neutral. "
        "Return only the label."
    ),
    columns=("text", "sentiment"),
    metrics=("accuracy", "macro_f1", "exact_match"),
    convert=_convert,
    near_groups=True,
    labels=LABELS,
    answer=AnswerForm(AnswerKind.LABEL, labels=LABELS),
)
