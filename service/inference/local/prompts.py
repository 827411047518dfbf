"""A conversation as the text that a local model reads. Pure but for a tokenizer's own template.

A model whose tokenizer brings a chat template is asked in it. One without reads plain text: each
turn of the user, a blank line, and the mark after which the answer stands.
"""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from service.errors import Invalid
from service.inference.ports import Turn

ANSWER_CUE = "Answer:"
END = "\n\n"  # of an answer in plain text


def prompt_of(tokenizer: Any, system: str, turns: Sequence[Turn]) -> str:
    """Return the text after which the model's answer stands; the last turn is the user's.

    Raises Invalid `chat_template_failed` where the tokenizer's own template takes no such turns.
    """
    if not tokenizer.chat_template:
        return plain_prompt(system, turns)
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": _ROLES[turn.role], "content": turn.text} for turn in turns]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        message = f"the model's chat template refuses the conversation: {type(error).__name__}"
        raise Invalid(message, code="chat_template_failed") from error
    return str(text)


_ROLES = {"user": "user", "model": "assistant"}


def plain_prompt(system: str, turns: Sequence[Turn]) -> str:
    """Return system, turns and the mark of the answer, a blank line between them."""
    parts = [system] if system else []
    parts += [turn.text if turn.role == "user" else f"{ANSWER_CUE} {turn.text}" for turn in turns]
    return END.join([*parts, ANSWER_CUE])


def answer_text(tokenizer: Any, target: str) -> str:
    """Return what a model learns to say after `prompt_of`, without the token that ends it."""
    return target if tokenizer.chat_template else f" {target}"


def classified_text(system: str, turns: Sequence[Turn]) -> str:
    """Return what a classifier reads: all that is said, and no instruction."""
    return "\n".join(filter(None, [system, *(turn.text for turn in turns)]))
