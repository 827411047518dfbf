"""The same steps as a notebook would do them: `datasets.map` and `filter`, and datasketch.

Runs of characters, threshold and the check by true Jaccard are ours; the sketch has datasketch's
own 128 minima, since 64 take as long: nearly all of the time goes into hashing the runs. Left out
are the firewall, the report and most rules about rows, which ours goes through in its time.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from datasets import load_dataset
from datasketch import MinHash, MinHashLSH

_PLACEHOLDER = re.compile(r"\[[A-Za-z]\w*\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SHINGLE = 5
_TOKEN_LIMIT = 131_072
_SCHEME = MinHash(num_perm=128, seed=1).scheme


def prepare_with_datasets(
    path: Path, folder: Path, *, threshold: float, test_size: int, instruction: str
) -> dict[str, int]:
    """Prepare a file of rows and write tuning lines; returns what became of the rows."""
    rows = load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(folder / "cache")
    )
    total = len(rows)
    rows = rows.map(_clean, remove_columns=rows.column_names)
    rows = rows.filter(lambda row: row["text"] and row["target"])
    seen: set[tuple[str, str]] = set()
    rows = rows.filter(lambda row: _is_first((row["text"], row["target"]), seen))
    unique = len(rows)
    rows = rows.map(_sketched)
    rows = rows.filter(_NotNear(threshold), load_from_cache_file=False)
    kept = len(rows)
    rows = rows.map(_with_group)
    tested = set(sorted(set(rows["group"]))[:test_size])
    train = rows.filter(lambda row: row["group"] not in tested)
    train = train.filter(_is_valid)
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in train:
            file.write(_line(instruction, row) + "\n")
    return {"rows": total, "unique": unique, "kept": kept, "train": len(train)}


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    return {"text": f"Text: {row['source_text'].strip()}", "target": row["target_text"].strip()}


def _is_first(pair: tuple[str, str], seen: set[tuple[str, str]]) -> bool:
    if pair in seen:
        return False
    seen.add(pair)
    return True


def _shingles(text: str) -> set[bytes]:
    folded = " ".join(text.split()).casefold()
    return {folded[at : at + _SHINGLE].encode() for at in range(len(folded) - _SHINGLE + 1)}


def _sketched(row: dict[str, Any]) -> dict[str, Any]:
    sketch = MinHash(num_perm=128, seed=1, scheme=_SCHEME)
    sketch.update_batch(_shingles(row["text"]))
    return {"minima": sketch.hashvalues}


class _NotNear:
    """Keeps a row unless its true Jaccard with a kept one reaches the threshold."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._index = MinHashLSH(threshold=threshold, num_perm=128)
        self._texts: dict[int, str] = {}

    def __call__(self, row: dict[str, Any]) -> bool:
        sketch = MinHash(num_perm=128, seed=1, hashvalues=row["minima"], scheme=_SCHEME)
        ours = _shingles(row["text"])
        for key in self._index.query(sketch):
            theirs = _shingles(self._texts[key])
            if len(ours & theirs) >= self._threshold * len(ours | theirs):
                return False
        number = len(self._texts)
        self._texts[number] = row["text"]
        self._index.insert(number, sketch)
        return True


def _with_group(row: dict[str, Any]) -> dict[str, Any]:
    template = " ".join(_PLACEHOLDER.sub("[]", row["target"]).split()).casefold()
    return {"group": hashlib.sha256(template.encode()).hexdigest()}


def _is_valid(row: dict[str, Any]) -> bool:
    if _CONTROL.search(row["text"]) or _CONTROL.search(row["target"]):
        return False
    return (len(row["text"].encode()) + len(row["target"].encode())) / 4 < _TOKEN_LIMIT


def _line(instruction: str, row: dict[str, Any]) -> str:
    turns = [
        {"role": "user", "parts": [{"text": f"{instruction}\n\n{row['text']}"}]},
        {"role": "model", "parts": [{"text": row["target"]}]},
    ]
    return json.dumps({"contents": turns}, ensure_ascii=False, separators=(",", ":"))
