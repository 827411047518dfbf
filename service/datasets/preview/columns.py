"""What the columns of the first rows hold, and these rows with their data masked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from service.datasets.preview.schemas import PreviewColumn, ValueType
from service.datasets.preview.source_head import SourceHead
from service.datasets.report.masking import mask

_FIRST_ROWS = 5
_WORD = re.compile(r"[^\W\d_]+")
_TYPES: tuple[tuple[ValueType, re.Pattern[str]], ...] = (
    ("boolean", re.compile(r"(?i:true|false)")),
    ("integer", re.compile(r"[+-]?\d{1,18}")),
    ("number", re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")),
)


def preview_columns(head: SourceHead) -> Iterator[PreviewColumn]:
    for name in head.columns:
        cells = [row.fields.get(name) or "" for row in head.rows]
        filled = [cell for cell in cells if cell.strip()]
        yield PreviewColumn(
            name=name,
            type="json" if name in head.nested else _type_of(filled),
            filled=len(filled),
            distinct=len(set(filled)),
            longest=max(map(len, filled), default=0),
        )


def _type_of(cells: Iterable[str]) -> ValueType:
    values = {cell.strip() for cell in cells}
    if not values:
        return "empty"
    for name, pattern in _TYPES:
        if all(map(pattern.fullmatch, values)):
            return name
    return "text"


def masked_rows(head: SourceHead) -> list[dict[str, str]]:
    """Return the first rows without what could be personal data, cut to 300 characters a cell."""
    common = _common_words(head)
    return [
        {name: mask(text, common=common) for name, text in row.fields.items()}
        for row in head.rows[:_FIRST_ROWS]
    ]


def _common_words(head: SourceHead) -> frozenset[str]:
    """Return the words in small letters that at least 5 rows and 1 in 100 hold."""
    words: Counter[str] = Counter()
    for row in head.rows:
        words.update({word for text in row.fields.values() for word in _WORD.findall(text)})
    least = max(5, len(head.rows) / 100)
    return frozenset(word for word, rows in words.items() if rows >= least and word.islower())
