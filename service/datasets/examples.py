"""One example of a dataset, its conversation, its id, and how texts are compared. Pure."""

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, Literal

from service.storage.tables import TableSchema, read_parquet

Role = Literal["user", "model"]

# What pandas, R and databases write for a missing value.
MISSING_VALUES = r"nan|NaN|NA|N/A|<NA>|None|NULL|null|NaT|\\N"


@dataclass(frozen=True, slots=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns alternate, the first is the user's and the last the model's: what is to be learnt."""

    system: str
    turns: tuple[Turn, ...]

    @property
    def text(self) -> str:
        """The user's last words."""
        return self.turns[-2].text

    @property
    def target(self) -> str:
        return self.turns[-1].text

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns before the user's last words."""
        return self.turns[:-2]


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


# What the column that gives a row's split may say, and the number that stands for it in keys.
SPLIT_CODES = {"train": 1, "validation": 2, "test": 3, "shot": 4}


@dataclass(frozen=True, slots=True)
class Example:
    """A question and its answers.

    `text` is the user's turn without the instruction; `target` is what training teaches;
    `references` are all gold answers (the target among them); `group` is what a split keeps
    together; `label` stratifies and is empty where there are no labels; `row` is the 1-based
    number of the source row. `history` are turns before `text`, `system` what the system says in
    this example only. `rejected` is the answer that `target` was preferred to, or empty.
    """

    id: str
    text: str
    target: str
    references: tuple[str, ...]
    group: str
    row: int
    label: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    system: str = ""
    history: tuple[Turn, ...] = ()
    rejected: str = ""


def user_turn(instruction: str, text: str) -> str:
    """Return the first user turn: the instruction, a blank line, the text."""
    return f"{instruction}\n\n{text}" if instruction else text


def collapse(text: str) -> str:
    """Return the text with every run of white space as one space and none at the ends."""
    if "  " not in text and text.isprintable():  # the only white space that prints is a space
        return text.strip(" ")
    return " ".join(text.split())


def composed(text: str) -> str:
    """Return the text with letters composed (NFC): one form of what looks alike."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Return the text with case and white space folded and letters composed, for comparison."""
    return composed(collapse(text)).casefold()


def example_id(
    text: str, target: str, *, system: str = "", history: str = "", rejected: str = ""
) -> str:
    """Return an id that the content decides, whatever the order of the rows.

    Chats that differ only in what was said before, and pairs that differ only in what was
    rejected, have ids of their own: predictions are kept by id. `history` is JSON, empty where
    there is none.
    """
    hashed = hashlib.blake2b(digest_size=16)
    parts = (text, target, system, history, rejected)
    for part in parts[: 5 if rejected else 4 if system or history else 2]:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"ex_{hashed.hexdigest()}"


SCHEMA = TableSchema(
    version=1,
    columns={
        "id": "string",
        "split": "string",
        "position": "int64",
        "text": "string",
        "target": "string",
        "references": "strings",
        "group": "string",
        "label": "string",
        "row": "int64",
        "system": "string",
        "history": "string",
        "rejected": "string",
    },
)


def stored_rows(source: IO[bytes], *, split: Split | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of an examples file in stored order, of one split or of all."""
    for row in read_parquet(source):
        if split is None or row["split"] == split.value:
            yield row


def has_turns(source: IO[bytes], *, split: Split) -> bool:
    """Return whether an example of a split has turns before its text.

    Files of the first version have no such column.
    """
    return any(
        row["split"] == split.value and len(row.get("history", "")) > len("[]")
        for row in read_parquet(source, columns=["split", "history"])
    )


def example_of(row: dict[str, Any]) -> Example:
    """Return the example a stored row holds."""
    return Example(
        id=row["id"],
        text=row["text"],
        target=row["target"],
        references=tuple(row["references"]),
        group=row["group"],
        row=row["row"],
        label=row["label"],
        system=row.get("system") or "",
        history=tuple(Turn(**turn) for turn in json.loads(row.get("history") or "[]")),
        rejected=row.get("rejected") or "",
    )
