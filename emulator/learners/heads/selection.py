"""Which head fits some examples, judged by the shape of their outputs alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from emulator.learners.features.passages import PassageReader
from emulator.learners.heads.category import CategoryHead
from emulator.learners.heads.edit import EditHead
from emulator.learners.heads.nearest import NearestHead
from emulator.learners.heads.ports import Head, Rows
from emulator.learners.heads.preference import PreferenceHead
from emulator.learners.heads.record import RecordHead
from emulator.learners.heads.span import NULLS, SpanHead
from emulator.learners.rules.extraction import parse_json
from emulator.learners.tokens import normalise, words_of

ROWS_LOOKED_AT = 300
# A row's output is compared with the source of a row this far on: how often copies occur by chance.
SHIFT = 7
MOST_CLASSES = 300
LONGEST_LABEL = 6


class Shape(NamedTuple):
    """What outputs look like: shares are of rows, `copied_by_chance` of wrongly paired rows."""

    copied: float
    copied_by_chance: float
    shared_words: float
    output_words: float
    relative_length: float


def choose_head(rows: Rows) -> str:
    """Return edit, span, class, json or nearest; the first rows are looked at closely.

    The thresholds were set on PII masking, SQuAD, tweets, banking77 and restaurant8k.
    """
    if all(isinstance(parse_json(output), dict) for _, output in rows):
        return "json"
    full = [(prompt, output) for prompt, output in rows if output not in NULLS]
    distinct = len({output for _, output in full})
    if distinct == 0 or (distinct == 1 and len(rows) > 1):
        return "class"
    shape = _shape(full[:ROWS_LOOKED_AT])
    return _by_shape(shape, distinct=distinct, rows=len(full))


def build_head(name: str, reader: PassageReader | None = None) -> Head:
    """Return an untrained head; `reader` lets the keys of a JSON object share their passages."""
    heads: dict[str, Callable[[], Head]] = {
        "class": CategoryHead,
        "edit": EditHead,
        "json": lambda: RecordHead(choose_head, build_head),
        "nearest": NearestHead,
        "preference": PreferenceHead,
        "span": lambda: SpanHead(reader),
    }
    return heads[name]()


def _by_shape(shape: Shape, *, distinct: int, rows: int) -> str:
    repeated = distinct <= min(MOST_CLASSES, 0.4 * rows)
    few = distinct <= max(2, 0.4 * rows) or shape.copied < 0.3  # noqa: PLR2004  thresholds, see choose_head
    truly_copied = shape.copied > 0.65 and shape.copied - shape.copied_by_chance > 0.5  # noqa: PLR2004
    if truly_copied and shape.relative_length < 0.6:  # noqa: PLR2004
        return "span"
    if shape.output_words <= LONGEST_LABEL and few and distinct <= MOST_CLASSES:
        return "class"
    if shape.shared_words > 0.3:  # noqa: PLR2004
        return "edit"
    return "class" if repeated else "nearest"


def _shape(rows: Rows) -> Shape:
    sources = [normalise(prompt.source) for prompt, _ in rows]
    outputs = [normalise(output) for _, output in rows]
    shift = SHIFT % len(rows)
    others = outputs[shift:] + outputs[:shift]
    by_chance = [
        other in source
        for source, own, other in zip(sources, outputs, others, strict=True)
        if own != other
    ]
    sizes = [(len(words_of(prompt.source)), len(words_of(output))) for prompt, output in rows]
    return Shape(
        copied=_mean([out in source for source, out in zip(sources, outputs, strict=True)]),
        copied_by_chance=_mean(by_chance),
        shared_words=_mean([_shared(prompt.source, output) for prompt, output in rows]),
        output_words=float(np.median([size for _, size in sizes])),
        relative_length=float(np.median([out / max(1, source) for source, out in sizes])),
    )


def _shared(source: str, output: str) -> float:
    target = set(words_of(output))
    return len(target & set(words_of(source))) / max(1, len(target))


def _mean(values: list[bool] | list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
