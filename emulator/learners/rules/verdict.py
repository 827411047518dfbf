"""Base rule for judging an answer: in words, how likely the base model would have given it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

VERDICT = re.compile(
    r"\bhow likely\b[^\n]*\b(?:options|words)\b[^:\n]*:\s*(?P<options>[^\n]+?)\.?\s*"
    r"<task>\n(?P<task>.*)\n</task>\s*<answer>\n(?P<answer>.*)\n</answer>\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
# The words from least to most likely, each up to a probability.
WORDS = (
    (0.2, "very unlikely"),
    (0.4, "unlikely"),
    (0.6, "as likely as not"),
    (0.8, "likely"),
    (1.0, "very likely"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A task, an answer to it, and the words that a reply may be."""

    task: str
    answer: str
    options: tuple[str, ...]

    def word(self, probability: float) -> str:
        """Return the word for a probability; of other scales the first option."""
        word = next((word for most, word in WORDS if probability <= most), WORDS[-1][1])
        return word if word in self.options else self.options[0]


def read_verdict(turns: Sequence[tuple[str, str]]) -> Verdict | None:
    """Return what is to be judged; None where no prompt asks how likely an answer is."""
    found = VERDICT.search(turns[-1][1]) if turns else None
    if found is None:
        return None
    options = tuple(option.strip() for option in found["options"].split(","))
    return Verdict(found["task"], found["answer"], options)
