"""How a model is asked to write an instruction, and what it has written. Pure."""

from collections.abc import Sequence

from service.datasets.examples import Example
from service.evaluation.metrics.normal_forms import strip_fence

_MOST = 20_000  # characters, as of an instruction that a user gives
_REQUEST = (
    "Write a better instruction for the task below. Keep what it says of the form of answers and "
    "of the labels; add what the examples show that it does not say. Reply with the instruction "
    "alone."
)


def proposal_prompt(instruction: str, examples: Sequence[Example]) -> str:
    """Return what asks for an instruction; the examples are of the training split."""
    shown = "\n\n".join(
        f"<example>\n{each.text}\n<target>\n{each.target}\n</target>\n</example>"
        for each in examples
    )
    return f"{_REQUEST}\n\n<instruction>\n{instruction}\n</instruction>\n\n{shown}"


def read_proposal(text: str) -> str:
    """Return the instruction that a model has written; "" where it is none."""
    written = strip_fence(text)
    return written if len(written) <= _MOST else ""
