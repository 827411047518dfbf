"""What an answer says otherwise than its reference, word by word. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
WORDS = 80  # of each text that are compared; the rest is left out
CUT = " …"


@dataclass(frozen=True, slots=True)
class Edit:
    """A run of words that both texts have, or one of them alone."""

    kind: Literal["same", "missing", "extra"]
    text: str


def diff_words(expected: str, given: str, *, shown: Callable[[str], str] = str) -> list[Edit]:
    """Return the runs that lead from `expected` to `given`, each as `shown` returns it.

    `missing` words stand in `expected` alone, `extra` ones in `given` alone. Words are compared
    before they are shown, so that a mask hides no difference.
    """
    first, second = _tokens(expected), _tokens(given)
    matcher = SequenceMatcher(a=first, b=second, autojunk=False)
    edits = [
        Edit(edit.kind, shown(edit.text))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        for edit in _edits(tag, "".join(first[i1:i2]), "".join(second[j1:j2]))
    ]
    return edits + [Edit("same", CUT)] * (len(first) == WORDS or len(second) == WORDS)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)[:WORDS]


def _edits(tag: str, expected: str, given: str) -> Iterator[Edit]:
    if tag == "equal":
        yield Edit("same", expected)
        return
    if expected:
        yield Edit("missing", expected)
    if given:
        yield Edit("extra", given)
