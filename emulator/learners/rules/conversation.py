"""The parts of a prompt to the base model: instruction, shots and query, read from the turns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

INPUT_LABELS = "Text|Input|Sentence|Source|Context|Question|Review|Tweet|Document"
OUTPUT_LABELS = "Type|Output|Answer|Label|Sentiment|Target|Masked|Result|JSON"
FIELD = re.compile(rf"^[ \t]*({INPUT_LABELS}|{OUTPUT_LABELS}):[ \t]*", re.MULTILINE)
ANSWERS = frozenset(OUTPUT_LABELS.split("|"))
PASSAGE = re.compile(r"\s*Context:\s*(.*?)\n\s*Question:\s*(.*)", re.DOTALL)
LEADING_LABEL = re.compile(rf"\s*(?:{INPUT_LABELS}):[ \t]*")
MARK = re.compile(r"^[ \t]*(?:final )?answer:", re.MULTILINE | re.IGNORECASE)
TRAILING_LABEL = re.compile(rf"\n[ \t]*(?:{OUTPUT_LABELS}):\s*$")

Turns = Sequence[tuple[str, str]]


class Query(NamedTuple):
    """What an answer is about: a text, and the question on it where there is one."""

    text: str
    question: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that the base model may go by."""

    instruction: str
    shots: tuple[tuple[Query, str], ...]
    query: Query


def read_conversation(turns: Turns, *, system_instruction: str = "") -> Conversation:
    """Read turns (role, text), the last one the user's.

    Shots are earlier user turns with the model's replies, or `Text: .. / Type: ..` pairs that come
    before the last `Text:` of a single turn. The instruction is what stands before the first field.
    """
    instruction, body = split_instruction(turns[0][1]) if turns else ("", "")
    bodies = [body, *(split_instruction(text)[1] for _, text in turns[1:])]
    shown, question = split_shots(bodies[-1] if bodies else "")
    turn_shots = [
        (read_query(bodies[at]), unmarked(turns[at + 1][1]))
        for at in range(len(turns) - 1)
        if turns[at][0] == "user" and turns[at + 1][0] == "model"
    ]
    instructions = filter(None, [system_instruction.strip(), instruction])
    return Conversation("\n".join(instructions), (*turn_shots, *shown), read_query(question))


def unmarked(reply: str) -> str:
    """Return what a reply says after its last line of reasoning: what follows the mark."""
    *_, answer = MARK.split(reply)
    return answer.strip()


def split_instruction(turn: str) -> tuple[str, str]:
    """Return what stands before the first field of a turn, and the rest.

    Without fields the last paragraph, or what follows the first `: `, is the query.
    """
    field = FIELD.search(turn)
    if field:
        return turn[: field.start()].strip(), turn[field.start() :]
    for before, gap, after in (turn.rpartition("\n\n"), turn.partition(": ")):
        if gap and before and after:
            return before.strip(), after
    return "", turn


def split_shots(body: str) -> tuple[list[tuple[Query, str]], str]:
    """Return the answered pairs of a turn and the unanswered rest; without pairs, all of it."""
    fields = list(FIELD.finditer(body))
    opening = [match.start() for match in fields if fields and match[1] == fields[0][1]]
    blocks = [body[at:end] for at, end in pairwise(opening)]
    shots = [_shot(block) for block in blocks]
    answered = [shot for shot in shots if shot]
    if not blocks or len(answered) < len(shots):
        return [], body
    return answered, body[opening[-1] :]


def read_query(body: str) -> Query:
    body = TRAILING_LABEL.sub("", body)
    passage = PASSAGE.match(body)
    if passage:
        return Query(passage[1].strip(), passage[2].strip())
    return Query(LEADING_LABEL.sub("", body, count=1).strip(), "")


def _shot(block: str) -> tuple[Query, str] | None:
    answer = next((match for match in FIELD.finditer(block) if match[1] in ANSWERS), None)
    if answer is None:
        return None
    return read_query(block[: answer.start()]), block[answer.end() :].strip()
