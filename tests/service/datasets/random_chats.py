"""Random chats in every row form, from a seed; as a program it prints what is made of them."""

import json
import random
import sys
from collections.abc import Iterator

from service.datasets.examples import Chat, Example, Turn
from service.datasets.presets.chat_forms import RowForm
from service.datasets.publishing.export_forms import WRITERS

_PIECES = (
    *("Hello", " ", "\n", "\t", '"', "\\", "é", "💡", "\u2028", "</s>", "{{x}}", "\x7f", "Ж", "漢"),
    *("[NAME]", "a" * 50, "\u200b", "'", "\r\n", "👩‍👧", "\ufeff", "0"),
)


def random_chat(chance: random.Random) -> Chat:
    """Return a chat that is as the forms allow: turns alternate, and each says something."""
    turns = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        turns += [Turn("user", _text(chance)), Turn("model", _text(chance))]
    return Chat(_text(chance) if chance.random() < 0.4 else "", tuple(turns))


def _text(chance: random.Random) -> str:
    return ("x" + "".join(chance.choices(_PIECES, k=chance.randrange(8)))).strip()


def random_chats(seed: int, count: int) -> list[Chat]:
    chance = random.Random(seed)  # noqa: S311  chats to test with, nothing secret
    return [random_chat(chance) for _ in range(count)]


def forms_of(chat: Chat) -> Iterator[tuple[RowForm, dict[str, str]]]:
    """Yield the rows that mean this chat, in every form that can hold it."""
    system = [{"role": "system", "content": chat.system}] if chat.system else []
    for model in ("assistant", "model"):
        roles = {"user": "user", "model": model}
        spoken = [{"role": roles[turn.role], "content": turn.text} for turn in chat.turns]
        yield RowForm.MESSAGES, {"messages": json.dumps(system + spoken)}
    parts = [{"role": t.role, "parts": [{"text": t.text}]} for t in chat.turns]
    row = {"contents": json.dumps(parts)}
    if chat.system:
        row["systemInstruction"] = json.dumps({"role": "x", "parts": [{"text": chat.system}]})
    yield RowForm.CONTENTS, row
    if len(chat.turns) == 2 and not chat.system:
        yield RowForm.PROMPT_COMPLETION, {"prompt": chat.text, "completion": chat.target}
        yield RowForm.TEXT_INPUT_OUTPUT, {"text_input": chat.text, "output": chat.target}


def example_of(chat: Chat, *, row: int = 1) -> Example:
    return Example(
        id=f"ex_{row}",
        text=chat.text,
        target=chat.target,
        references=(chat.target,),
        group="",
        row=row,
        system=chat.system,
        history=chat.history,
    )


def written(seed: int, count: int) -> bytes:
    """Return what all writers make of random chats."""
    examples = [example_of(chat) for chat in random_chats(seed, count)]
    single = [each for each in examples if not each.history]
    return b"".join(
        line
        for name, write in WRITERS.items()
        for line in write("Do it.", single if name == "text_input_output" else examples)
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(written(int(sys.argv[1]), 200))
