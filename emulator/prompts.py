"""How a conversation becomes the one string a learned model reads: the same in training and use."""

from collections.abc import Sequence

Turn = tuple[str, str]
"""A role (`user` or `model`) and the text of its parts."""


def prompt_of(turns: Sequence[Turn], *, system_instruction: str = "") -> str:
    """Join the texts of all turns by newlines, the system instruction in front."""
    texts = [text for _, text in turns]
    return "\n".join([system_instruction, *texts] if system_instruction else texts)
