"""What is dropped as nearly the same, against comparing all texts with all."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

import pytest
from faker import Faker

from service.datasets.examples import Split, fold
from service.datasets.formats.rows import SourceRow
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.synthetic_templates import SENTENCES, WORDS
from service.datasets.sources.synthetic_values import VALUES
from tests.service.datasets.columnar import prepare_rows
from tests.service.datasets.exact_pairs import exact_near_pairs
from tests.service.datasets.test_near_duplicates import near_pairs
from tests.support.shared_data import shared_data

HELD_OUT = [SourceRow(n, {"text": f"held out {n * 7919:b}", "target": "t"}) for n in range(1, 11)]
SAMPLE_ROWS = 10_000
WORD, LABEL = re.compile(r"\{(\w+)\}"), re.compile(r"\[([A-Z0-9]+)\]")


def kept_rows(texts: Sequence[str], threshold: float) -> set[int]:
    """Return which of the texts, by position, a preparation keeps; all teach the same."""
    spec = PrepareSpec.model_validate(
        {
            "preset": "generic",
            "template": {"text": "{{text}}", "target": "{{target}}"},
            "source": {"type": "synthetic"},
            "test_source": {"type": "synthetic"},
            "train_sizes": [10],
            "near_duplicates": threshold,
        }
    )
    rows = (SourceRow(n, {"text": text, "target": "t"}) for n, text in enumerate(texts, start=1))
    outcome = prepare_rows(rows, spec, given={Split.TEST: HELD_OUT})
    assert outcome.report.dropped.keys() == {"near_duplicate"}
    return {example.row - 1 for example in outcome.splits.train}


def recall_and_precision(
    texts: Sequence[str], pairs: set[tuple[int, int]], *, threshold: float
) -> tuple[float, float]:
    """Return the share of near pairs of which not both stay, and the share of dropped texts that
    are near one that stays.
    """
    kept = kept_rows(texts, threshold)
    dropped = set(range(len(texts))) - kept
    left = sum(one in kept and other in kept for one, other in pairs)
    both_ways = {*pairs, *((other, one) for one, other in pairs)}
    right = {one for one, other in both_ways if one in dropped and other in kept}
    return 1 - left / len(pairs), len(right) / len(dropped)


def presidio_texts() -> list[str]:
    files = (f"pii/presidio_{name}_shared_pairs.csv" for name in ("generated_large", "synth_v2"))
    texts: dict[str, None] = {}
    for file in files:
        with shared_data(file).open(newline="") as stream:
            texts |= dict.fromkeys(fold(row["source_text"]) for row in csv.DictReader(stream))
    return list(texts)


def sample_with_planted_copies() -> list[str]:
    """Return PII-like texts, a fifth of them followed by a copy with one to three changes."""
    random = Random(7)  # noqa: S311  nothing secret
    faker = Faker("en_US")
    faker.seed_instance(7)
    pools = {label: [value(random, faker) for _ in range(300)] for label, value in VALUES.items()}

    def texts() -> Iterator[str]:
        for _ in range(SAMPLE_ROWS):
            words = WORD.sub(lambda found: random.choice(WORDS[found[1]]), random.choice(SENTENCES))
            text = fold(LABEL.sub(lambda found: random.choice(pools[found[1]]), words))
            yield text
            if random.random() < 0.2:
                yield _changed(text, random)

    return list(islice(dict.fromkeys(texts()), SAMPLE_ROWS))


def _changed(text: str, random: Random) -> str:
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text))
        text = f"{text[:at]}#{text[at + random.randrange(2) :]}"
    return text


@pytest.mark.parametrize("threshold", [0.7, 0.8])
def test_near_duplicates_of_real_pairs_are_those_of_brute_force(threshold: float) -> None:
    texts = presidio_texts()
    pairs = exact_near_pairs(texts, threshold)
    assert len(pairs) > 40

    recall, precision = recall_and_precision(texts, pairs, threshold=threshold)

    assert recall >= 0.95
    assert precision >= 0.99


def test_near_duplicates_of_ten_thousand_texts_are_those_of_brute_force() -> None:
    texts = sample_with_planted_copies()
    pairs = exact_near_pairs(texts, 0.85)
    assert len(texts) == SAMPLE_ROWS
    assert len(pairs) > 500

    recall, precision = recall_and_precision(texts, pairs, threshold=0.85)

    assert recall >= 0.95
    assert precision >= 0.99


def test_the_brute_force_leaves_out_no_pair() -> None:
    texts = presidio_texts()[:500]

    assert exact_near_pairs(texts, 0.5) == near_pairs(texts, 0.5)
