"""What a rule about rows is."""

from dataclasses import dataclass

import polars as pl

from service.datasets.validation.levels import Level


@dataclass(frozen=True, slots=True)
class RowRule:
    """`broken` is true for the rows of a batch of drafts that break the rule.

    `message` is about one row and says how to mend it; it never holds content.
    """

    id: str
    level: Level
    field: str
    message: str
    broken: pl.Expr
