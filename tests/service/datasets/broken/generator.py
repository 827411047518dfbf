"""Makes datasets of several tasks and formats, and plants faults whose rows are known."""

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.service.datasets.broken import kinds
from tests.service.datasets.broken.kinds import Kind, Record

Encoded = Sequence[tuple[Record, Kind]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A task in a format; `row` makes a good row, `encode` a file in which kinds are planted."""

    name: str
    format_name: str
    spec: Mapping[str, Any]
    row: Callable[[int], Record]
    kinds: Mapping[str, Kind]
    encode: Callable[[Encoded], bytes]


@dataclass(frozen=True, slots=True)
class RuleViolations:
    """A dataset, and what is wrong with which row of it."""

    layout: Layout
    data: bytes
    planted: frozenset[tuple[str, str]]
    names: frozenset[str] = field(default_factory=frozenset)


def _json_line(record: Record, kind: Kind) -> bytes:
    return kind.spoil(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _lines(encoded: Encoded) -> bytes:
    return b"\n".join(_json_line(record, kind) for record, kind in encoded) + b"\n"


def _list(encoded: Encoded) -> bytes:
    elements = (kind.spoil(json.dumps(record).encode()) for record, kind in encoded)
    return b"[" + b",\n".join(elements) + b"]"


def _object(encoded: Encoded) -> bytes:
    return b'{"tags": ["a", "b"], "rows": ' + _list(encoded) + b"}"


def _delimited(delimiter: str) -> Callable[[Encoded], bytes]:
    def line(cells: Sequence[str]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
        return text.getvalue().encode()

    def encode(encoded: Encoded) -> bytes:
        header = line(list(encoded[0][0]))
        rows = (kind.spoil(line(list(record.values()))) for record, kind in encoded)
        return b"\n".join([header, *rows]) + b"\n"

    return encode


def _parquet(encoded: Encoded) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([record for record, _ in encoded]), file)
    return file.getvalue()


def _tweet(number: int) -> Record:
    labels = ("positive", "negative", "neutral")
    return {"text": f"Tweet {number}é about it", "sentiment": labels[number % 3]}


def _intent(number: int) -> Record:
    return {"text": f"Where is card {number}é now", "label": ("lost", "late")[number % 2]}


def _pair(number: int) -> Record:
    return {
        "source_text": f"Call Ann {number}é today",
        "target_text": f"Call [NAME] {number}é today",
    }


def _fact(number: int) -> Record:
    return {"text": f"There are {number}é of them", "target": json.dumps({"n": number})}


def _messages(number: int) -> Record:
    turns = [{"role": "user", "content": f"Hi {number}é"}, {"role": "model", "content": "Ho"}]
    return {"messages": json.dumps(turns)}


def _contents(number: int) -> Record:
    said = ((f"Hi {number}é", "user"), ("Ho", "model"))
    return {"contents": json.dumps([{"role": r, "parts": [{"text": t}]} for t, r in said])}


def _prompt(number: int) -> Record:
    return {"prompt": f"Hi {number}é", "completion": "Ho"}


def _question(number: int) -> Record:
    context = f"The old boat {number}é is in the dock"
    return {"context": context, "question": f"What is {number}?", "answers": "boat"}


def _review(number: int) -> Record:
    return {"shop": "harbour", "stars": number % 5, "review": f"A kettle {number}é"}


_REVIEWS = {
    "preset": "generic",
    "template": {
        "text": "{{shop}}: {{review}}",
        "target": "{{stars}}",
        "group": "{{review}}",
    },
}
_SCHEMA = {
    "type": "object",
    "required": ["n"],
    "properties": {"n": {"type": "integer"}},
    "additionalProperties": False,
}
_TWEETS = {"preset": "sentiment"}
_INTENTS = {"preset": "classification", "labels": ["lost", "late"]}
_FACTS = {"preset": "extraction", "target_schema": _SCHEMA}
_TWEET_CELLS = {**kinds.cells("text", "sentiment"), **kinds.SENTIMENTS}
_INTENT_CELLS = {**kinds.cells("text", "label"), **kinds.LABELS}
_PAIR_CELLS = {**kinds.cells("source_text", "target_text"), **kinds.FREE_TEXT}
_FACT_CELLS = {**kinds.cells("text", "target"), **kinds.TARGETS}

LAYOUTS = (
    Layout("tweets", "jsonl", _TWEETS, _tweet,
           {**_TWEET_CELLS, **kinds.JSON_LINES, **kinds.MEMBERS}, _lines),
    Layout("tweets in a list", "json", _TWEETS, _tweet,
           {**_TWEET_CELLS, **kinds.ELEMENTS, **kinds.MEMBERS}, _list),
    Layout("tweets in an object", "json", _TWEETS, _tweet,
           {**_TWEET_CELLS, **kinds.ELEMENTS, **kinds.MEMBERS}, _object),
    Layout("prompts", "jsonl", {"preset": "generic", "form": "prompt_completion"}, _prompt,
           {**kinds.PROMPTS, **kinds.JSON_LINES}, _lines),
    Layout("questions", "csv", {"preset": "squad"}, _question,
           {**kinds.ANSWERS, **kinds.RECORDS}, _delimited(",")),
    Layout("intents", "csv", _INTENTS, _intent,
           {**_INTENT_CELLS, **kinds.RECORDS}, _delimited(",")),
    Layout("intents in TSV", "tsv", _INTENTS, _intent,
           {**_INTENT_CELLS, **kinds.RECORDS}, _delimited("\t")),
    Layout("pairs in Parquet", "parquet", {"preset": "pii"}, _pair, _PAIR_CELLS, _parquet),
    Layout("facts in Parquet", "parquet", _FACTS, _fact, _FACT_CELLS, _parquet),
    Layout("messages in Parquet", "parquet", {"preset": "generic", "form": "messages"}, _messages,
           kinds.MESSAGES, _parquet),
    Layout("reviews by a template", "jsonl", _REVIEWS, _review,
           {**kinds.cells("review", "stars"), **kinds.REVIEWS, **kinds.JSON_LINES}, _lines),
    Layout("facts", "jsonl", _FACTS, _fact, {**_FACT_CELLS, **kinds.JSON_LINES}, _lines),
    Layout("messages", "jsonl", {"preset": "generic", "form": "messages"}, _messages,
           {**kinds.MESSAGES, **kinds.JSON_LINES}, _lines),
    Layout("contents", "jsonl", {"preset": "generic", "form": "contents"}, _contents,
           {**kinds.CONTENTS, **kinds.JSON_LINES}, _lines),
)  # fmt: skip


def broken_dataset(layout: Layout, seed: int) -> RuleViolations:
    """Return a dataset of 20 to 60 rows with one to six faults; the seed decides which."""
    chance = random.Random(f"{layout.name} {seed}")  # noqa: S311  where to plant, nothing secret
    rows = chance.randrange(20, 60)
    names = chance.choices(sorted(layout.kinds), k=chance.randrange(1, 7))
    places = sorted(chance.sample(range(1, rows), len(names)))  # not the first: it names columns
    chosen = dict(zip(places, names, strict=True))
    sound = Kind("")
    encoded = []
    for place in range(rows):
        kind = layout.kinds[chosen[place]] if place in chosen else sound
        encoded.append((kind.change(layout.row(place)), kind))
    planted = {(f"row {place + 1}", layout.kinds[name].code) for place, name in chosen.items()}
    return RuleViolations(layout, layout.encode(encoded), frozenset(planted), frozenset(names))
