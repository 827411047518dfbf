"""Three-way sentiment, as in Tweet Sentiment Extraction."""

from dataclasses import replace

from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions
from service.datasets.presets.preset import Preset
from service.datasets.presets.targets import label_converter, spelled_labels

LABELS = ("positive", "negative", "neutral")


def sentiment_preset(options: PresetOptions) -> Preset:
    """Return the preset, with another instruction if one is given. Raises Invalid."""
    options.allow_only("instruction", preset="sentiment")
    instruction = options.instruction_or(SENTIMENT.instruction, labels=", ".join(LABELS))
    return replace(SENTIMENT, instruction=instruction)


SENTIMENT = Preset(
    name="sentiment",
    instruction=(
        "Classify the sentiment of the text as positive, negative or neutral. "
        "Return only the label."
    ),
    columns=("text", "sentiment"),
    metrics=("accuracy", "macro_f1", "exact_match"),
    convert=label_converter("sentiment", spelled_labels(LABELS)),
    near_groups=True,
    labels=LABELS,
    answer=AnswerForm(AnswerKind.LABEL, labels=LABELS),
)
