"""The JSON head: outputs that are JSON objects; one learner per key over shared prompts."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from emulator.learners.distributions import AnswerDistribution, RecordDistribution
from emulator.learners.features.passages import PassageReader, common_words
from emulator.learners.heads.ports import Arrays, Head, Meta, Rows
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.layout import ParsedPrompt
from emulator.learners.rules.extraction import parse_json

NO_VALUES = frozenset(("", "null"))
Choose = Callable[[Rows], str]
Build = Callable[[str, PassageReader], Head]


class RecordHead:
    """Trains its keys' learners side by side, so that one pass is a pass of all of them."""

    name = "json"

    def __init__(self, choose: Choose, build: Build) -> None:
        self._choose, self._build = choose, build
        self._reader = PassageReader(frozenset())
        self._parts: dict[str, Head] = {}
        self._texts: set[str] = set()
        self._left_out: frozenset[str] = frozenset()

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield the mean of the keys' records after each pass."""
        objects = [parse_json(output, {}) for _, output in rows]
        keys = list(dict.fromkeys(key for value in objects for key in value))
        self._reader = PassageReader(common_words([prompt.source for prompt, _ in rows]))
        self._texts = {
            key for key in keys if all(isinstance(v.get(key) or "", str) for v in objects)
        }
        self._left_out = frozenset(filter(partial(_is_left_out, objects), keys))
        self._parts, passes = {}, []
        for key in keys:
            values = _column(rows, key)
            part = self._parts[key] = self._build(self._choose(values), self._reader)
            passes.append(part.train(values, validation=_column(validation, key), plan=plan))
        try:
            yield from _side_by_side(passes, plan)
        finally:
            self._reader.clear()

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]:
        columns = {key: part.answer_many(prompts) for key, part in self._parts.items()}
        self._reader.clear()
        return [self._object(columns, at) for at in range(len(prompts))]

    def _object(self, columns: Mapping[str, Sequence[str]], at: int) -> str:
        values = {key: self._value(key, column[at]) for key, column in columns.items()}
        shown = {
            key: value
            for key, value in values.items()
            if value is not None or key not in self._left_out
        }
        return json.dumps(shown, ensure_ascii=False)

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return each key's distribution, rendered as JSON; keys are drawn independently."""
        parts = [
            (key, part.distribution(prompt).map(partial(self._json, key)))
            for key, part in self._parts.items()
        ]
        self._reader.clear()
        return RecordDistribution(parts, left_out=self._left_out)

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        parts = [
            {"key": key, "head": part.name, "meta": part.pack(f"{prefix}{at}.", arrays)}
            for at, (key, part) in enumerate(self._parts.items())
        ]
        common, texts = sorted(self._reader.common), sorted(self._texts)
        left_out = sorted(self._left_out)
        return {"common": common, "texts": texts, "parts": parts, "left_out": left_out}

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        self._reader = PassageReader(frozenset(meta["common"]))
        self._texts = set(meta["texts"])
        self._left_out = frozenset(meta.get("left_out", ()))  # models of before have none
        self._parts = {}
        for at, packed in enumerate(meta["parts"]):
            part = self._build(packed["head"], self._reader)
            part.unpack(packed["meta"], f"{prefix}{at}.", arrays)
            self._parts[packed["key"]] = part

    def _json(self, key: str, text: str) -> str:
        return json.dumps(self._value(key, text), ensure_ascii=False)

    def _value(self, key: str, text: str) -> Any:
        if text in NO_VALUES:
            return None
        return text if key in self._texts else parse_json(text, text)


def _is_left_out(objects: Sequence[Any], key: str) -> bool:
    """Return whether objects without a value for a key lack the key, and none has it as null."""
    return any(key not in each for each in objects) and not any(
        key in each and each[key] is None for each in objects
    )


def _column(rows: Rows, key: str) -> Rows:
    """Return the rows with one key's value as output, texts as they are, all else as JSON."""
    column = []
    for prompt, output in rows:
        value = parse_json(output)
        value = value.get(key) if isinstance(value, dict) else None
        column.append((prompt, value if isinstance(value, str) else json.dumps(value)))
    return column


def _side_by_side(passes: Sequence[Iterator[EpochRecord]], plan: Plan) -> Iterator[EpochRecord]:
    if not passes:
        passes = [_nothing_to_learn(plan)]
    for records in zip(*passes, strict=True):
        losses = [record.eval_loss for record in records if record.eval_loss is not None]
        hits = [record.eval_accuracy for record in records if record.eval_accuracy is not None]
        counts = [record.eval_predictions for record in records if record.eval_predictions]
        yield EpochRecord(
            epoch=records[0].epoch,
            train_loss=float(np.mean([record.train_loss for record in records])),
            train_accuracy=float(np.mean([record.train_accuracy for record in records])),
            eval_loss=float(np.mean(losses)) if losses else None,
            eval_accuracy=float(np.mean(hits)) if hits else None,
            predictions=sum(record.predictions for record in records),
            eval_predictions=sum(counts) if losses else None,
        )


def _nothing_to_learn(plan: Plan) -> Iterator[EpochRecord]:
    """Records of empty objects: nothing to predict, nothing lost."""
    for epoch in range(1, plan.epochs + 1):
        yield EpochRecord(epoch, 0.0, 0.0, None, None, 0)
