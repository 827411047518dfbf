"""Made-up sentences with made-up personal data, for trying the service without any data."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from service.database import Session
from service.datasets.formats.rows import SourceRow
from service.datasets.sources.schemas import SyntheticSource
from service.datasets.sources.source import Rows, SourceAccess
from service.datasets.sources.synthetic_templates import (
    CLOSINGS,
    CONTINUATIONS,
    OPENINGS,
    SENTENCES,
    WORDS,
)
from service.datasets.sources.synthetic_values import VALUES

_LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES")
_LOCALE_WEIGHTS = (4, 2, 1, 1, 1)
_OPENING_SHARE, _CLOSING_SHARE, _CONTINUATION_SHARE = 0.25, 0.25, 0.45
_WORD = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio])")  # before a word; labels begin with a bracket
_LABEL = re.compile(r"\[([A-Z0-9]+)\]")


COLUMNS = ("source_text", "target_text")


class SyntheticPii:
    def check(self, source: SyntheticSource, *, project_id: str, session: Session) -> None:
        """Do nothing: no input is needed."""

    def open(self, source: SyntheticSource, *, access: SourceAccess) -> Rows:  # noqa: ARG002  it reads nothing
        return Rows(synthetic_rows(source.rows, seed=source.seed))


def synthetic_rows(count: int, *, seed: int) -> Iterator[SourceRow]:
    """Yield `source_text` and `target_text` of made-up sentences, the same for the same seed.

    The templates were written for this project and the values are Faker's: no person's data.
    """
    random = Random(seed)
    with _seeded_fakers(seed) as fakers:
        for number in range(1, count + 1):
            masked = _sentence(random)
            (faker,) = random.choices(fakers, _LOCALE_WEIGHTS)
            source = _LABEL.sub(lambda found: VALUES[found[1]](random, faker), masked)  # noqa: B023  used at once
            yield SourceRow(number, {"source_text": source, "target_text": masked})


# New ones cost 25 ms: they look for their words, and work out the networks of their addresses.
_idle_fakers: list[list[Any]] = []


@contextmanager
def _seeded_fakers(seed: int) -> Iterator[list[Any]]:
    """Lend one faker of each locale: rows that are made at the same time have others."""
    from faker import Faker

    try:
        fakers = _idle_fakers.pop()
    except IndexError:
        fakers = [Faker(locale) for locale in _LOCALES]
    for faker in fakers:
        faker.seed_instance(seed)
    try:
        yield fakers
    finally:
        _idle_fakers.append(fakers)


def _sentence(random: Random) -> str:
    parts = [random.choice(SENTENCES)]
    if random.random() < _CONTINUATION_SHARE:
        parts.append(random.choice(CONTINUATIONS))
    text = " ".join(parts)
    if random.random() < _OPENING_SHARE:
        text = random.choice(OPENINGS) + text
    if random.random() < _CLOSING_SHARE:
        text += random.choice(CLOSINGS)
    filled = _WORD.sub(lambda found: random.choice(WORDS[found[1]]), text)
    return _ARTICLE.sub(r"\1n ", filled)
