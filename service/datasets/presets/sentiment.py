"""Three-way sentiment, as in Tweet Sentiment Extraction."""

from collections.abc import Mapping

from service.datasets.drops import DropReason
from service.datasets.examples import fold
from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem

LABELS = ("positive", "negative", "neutral")


def _convert(fields: Mapping[str, str]) -> Converted:
    text, label = fields["text"].strip(), fold(fields["sentiment"])
    if not text:
        return DropReason.EMPTY_TEXT
    if label and label not in LABELS:
        return RowProblem("unknown_label", f"the label is none of {', '.join(LABELS)}")
    same = fold(text)
    return ConvertedExample(f"Text: {text}", label, (label,), same, (same, label), label=label)


# The text keeps its case and inner white space; labels are lower-cased. Texts that differ in
# case and white space only are one group, and duplicates where they have the same label.
SENTIMENT = Preset(
    name="sentiment",
    instruction=(
        "Classify the sentiment of the text as positive, negative or neutral. "
        "Return only the label."
    ),
    columns=("text", "sentiment"),
    metrics=("accuracy", "exact_match"),
    convert=_convert,
    near_groups=True,
    labels=LABELS,
    answer=AnswerForm(AnswerKind.LABEL, labels=LABELS),
)
