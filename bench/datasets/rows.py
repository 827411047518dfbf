"""PII-like rows for the bench: our own sentences, values drawn from pools, planted copies."""

import json
import re
from collections import deque
from pathlib import Path
from random import Random

from faker import Faker

from service.datasets.sources.synthetic_templates import SENTENCES, WORDS
from service.datasets.sources.synthetic_values import VALUES

COPIES, NEAR_COPIES = 0.05, 0.05
_POOL = 2000
_SENTENCES_A_ROW = 4
_RECENT = 1000  # rows that may be repeated: copies of a row stay as few in a larger file
_WORD = re.compile(r"\{(\w+)\}")
_LABEL = re.compile(r"\[([A-Z0-9]+)\]")


def write_rows(path: Path, count: int, *, seed: int = 0) -> int:
    """Write JSON Lines of `source_text` and `target_text`, about 585 bytes each.

    5 % of the rows repeat an earlier one and 5 % change one character. Returns the bytes.
    """
    random = Random(seed)  # noqa: S311  nothing secret
    pools = _pools(random, seed)
    recent: deque[tuple[str, str]] = deque(maxlen=_RECENT)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            pair = _pair(random, pools, recent)
            row = {"source_text": pair[0], "target_text": pair[1]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path.stat().st_size


def _pools(random: Random, seed: int) -> dict[str, list[str]]:
    faker = Faker("en_US")
    faker.seed_instance(seed)
    return {label: [value(random, faker) for _ in range(_POOL)] for label, value in VALUES.items()}


def _pair(
    random: Random, pools: dict[str, list[str]], recent: deque[tuple[str, str]]
) -> tuple[str, str]:
    chance = random.random()
    if recent and chance < COPIES + NEAR_COPIES:
        source, target = random.choice(recent)
        at = random.randrange(len(source))
        return (source if chance < COPIES else f"{source[:at]}#{source[at:]}"), target
    masked = " ".join(random.choices(SENTENCES, k=_SENTENCES_A_ROW))
    masked = _WORD.sub(lambda found: random.choice(WORDS[found[1]]), masked)
    pair = (_LABEL.sub(lambda found: random.choice(pools[found[1]]), masked), masked)
    recent.append(pair)
    return pair
