"""About how many tokens the texts of a dataset have, told from their lengths. Pure."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from service.datasets.views import DatasetView

CHARACTERS_PER_TOKEN = 4  # of English text; scripts with longer tokens have more


def tokens_in(characters: int) -> int:
    """Return about how many tokens so many characters are."""
    return ceil(characters / CHARACTERS_PER_TOKEN)


def typical_tokens(dataset: DatasetView, column: str) -> int:
    """Return about how many tokens a `text` or `target` has: most are short, a few are long."""
    lengths: Mapping[str, Any] = (dataset.report.get("lengths") or {}).get(column) or {}
    median, long = int(lengths.get("p50") or 0), int(lengths.get("p95") or 0)
    return tokens_in(ceil((2 * median + long) / 3))


def instruction_tokens(dataset: DatasetView) -> int:
    return tokens_in(len(dataset.instruction))
