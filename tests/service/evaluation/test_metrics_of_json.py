"""JSON answers compared by value and field by field."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.metrics.json_values import fields_of
from service.evaluation.metrics.registry import METRICS
from tests.service.evaluation.published import published, value_of

FLAT = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), max_size=4)
NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ORDER = '{"name": "Ann", "items": [{"sku": 1, "n": 2}, {"sku": 5, "n": 1}], "paid": true}'


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ('{"b": 2, "a": 1}', '{"a":1,"b":2}', 100),
        ('```json\n{\n  "a": 1,\n  "b": 2\n}\n```', '{"a": 1, "b": 2}', 100),
        ('{"a": 1.0}', '{"a": 1}', 100),
        ('{"a": 1e2}', '{"a": 100}', 100),
        ('{"a": true}', '{"a": 1}', 0),
        ('{"a": "1"}', '{"a": 1}', 0),
        ('{"a": null}', "{}", 0),
        ("[1, 2]", "[2, 1]", 0),
        ("[]", "{}", 0),
        ("[false]", "[0]", 0),
        ('{"a": "\\u00e9"}', '{"a": "é"}', 100),
        ('{"\\uf900": "e\\u0301"}', '{"\u8c48": "é"}', 100),
        ('{"a": 1', '{"a": 1}', 0),
        ("{'a': 1}", '{"a": 1}', 0),
        ("NaN", "NaN", 100),
        ("[NaN]", "[1]", 0),
        ("no JSON", " no JSON ", 100),
        ("[" * 100_000, "[]", 0),
        ("", "{}", 0),
        ("9" * 5000, "1", 0),
        ('{"a": 1e0}', '{"a": 1}', 100),
        ('{"a": 9007199254740993}', '{"a": 9007199254740992.0}', 0),
        ('{"a": 1e999999999}', '{"a": 1e999999998}', 0),
        ('{"a": "true"}', '{"a": true}', 0),
        ('{"a": 1, "a": 2}', '{"a": 2}', 0),
        ('{"a": 1,}', '{"a": 1}', 0),
        ('Sure:\n```json\n{"a": 1}\n```\nAnything else?', '{"a": 1}', 100),
        ("The list is [1, 2].", "[1, 2]", 100),
        ('{"a": 1} or {"a": 2}', '{"a": 1}', 0),
        ('{"a": {"b": 1}', '{"b": 1}', 0),
        ('"see [1]"', "[1]", 0),
    ],
)
def test_json_is_equal_by_its_value(said: str, gold: str, expected: float) -> None:
    assert value_of("json_equal", [said], [[gold]]) == expected


def test_equal_json_in_any_layout_earns_all() -> None:
    case = published("../cases/data/30a-json-equal/pairs.json")
    for metric in ("json_equal", "json_field_f1", "json_field_precision", "json_field_recall"):
        assert value_of(metric, *map(list, zip(*case["pairs"], strict=True))) == 100


@settings(deadline=None, max_examples=60)
@given(value=NESTED)
def test_a_value_equals_itself_in_any_layout(value: Any) -> None:
    gold = json.dumps(value)
    fenced = f"```json\n{json.dumps(value, indent=3, ensure_ascii=False)}\n```"
    for metric in ("json_equal", "json_field_f1"):
        assert value_of(metric, [fenced], [[gold]]) == 100


@pytest.mark.parametrize(
    ("said", "shared", "answered"),
    [
        (ORDER, 6, 6),
        ('{"paid": true, "items": [{"n": 1, "sku": 5}, {"n": 2, "sku": 1}], "name": "Ann"}', 6, 6),
        ('{"name": "Ann", "paid": 1}', 1, 2),
        ('{"name": ["Ann"], "paid": true}', 1, 2),
        ('{"name": "Ann", "name ": "Ann"}', 1, 2),
        ('{"items": [{"sku": 1}, {"sku": 1}]}', 1, 2),
        ('{"items": []}', 0, 1),
        ("{}", 0, 0),
        ("sorry", 0, 1),
        ('{"paid": true, "paid": true}', 0, 1),
    ],
)
def test_fields_are_typed_and_free_of_order(said: str, shared: int, answered: int) -> None:
    rows = METRICS["json_field_f1"].measure().statistics([said], [[ORDER]])
    assert rows.tolist() == [[shared, answered, 6]]


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(FLAT, FLAT), min_size=1, max_size=6))
def test_precision_recall_and_f1_equal_scikit_learns(
    rows: list[tuple[dict[str, int], dict[str, int]]],
) -> None:
    """Each possible field of each row is one binary label."""
    from sklearn.metrics import precision_recall_fscore_support

    said, gold = (list(chain.from_iterable(map(flags, side))) for side in zip(*rows, strict=True))
    expected = precision_recall_fscore_support(gold, said, average="binary", zero_division=0)[:3]
    if not any(said + gold):
        expected = (1, 1, 1)  # nothing to find and nothing answered is right here
    texts = [json.dumps(each) for each, _ in rows], [[json.dumps(each)] for _, each in rows]
    for part, share in zip(("precision", "recall", "f1"), expected, strict=True):
        assert value_of(f"json_field_{part}", *texts) == pytest.approx(100 * share, abs=1e-9)


def flags(fields: dict[str, int]) -> Iterator[int]:
    yield from (int(fields.get(key) == value) for key in "abcd" for value in range(3))


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [("cats", "dogs", 0), ("dogs", "dogs ", 0), ("sorry", "{}", 0), ("{}", "dogs", 0)],
)
def test_an_answer_without_the_fields_of_json_is_wrong(
    said: str, gold: str, expected: float
) -> None:
    assert value_of("json_field_f1", [said], [[gold]]) == expected
    assert METRICS["json_field_f1"].caution([[gold]]) == (
        ""
        if gold == "{}"
        else "1 of 1 rows: a reference is no JSON, so no answer is right; see exact_match"
    )


def test_the_reference_of_the_most_shared_fields_counts() -> None:
    golds = ['{"a": 1, "b": 2}', '{"a": 1, "c": 3}', "{}"]
    assert value_of("json_field_f1", ['{"c": 3, "a": 1}'], [golds]) == 100


def test_the_bounds_of_missing_rows_enclose_what_an_answer_may_earn() -> None:
    measure, golds = METRICS["json_field_f1"].measure(), [['{"a": 1}'], ["{}"]]
    assert measure.worst(golds).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert measure.best(golds).tolist() == [[1, 1, 1], [0, 0, 0]]
    sums = np.array([measure.worst(golds).sum(axis=0), measure.best(golds).sum(axis=0)])
    assert measure.totals(sums).tolist() == [0, 100]


def test_restaurant_slots_of_the_published_set_are_fields() -> None:
    rows = published("extraction/restaurant8k_train_8.json.gz")
    slots = [
        {each["slot"]: slot_text(row["userInput"]["text"], each["valueSpan"]) for each in labels}
        for row in rows
        for labels in [row.get("labels", [])]
    ]
    texts = [json.dumps(each) for each in slots]
    assert sum(fields_of(text).total() for text in texts) == sum(map(len, slots)) > 0
    assert value_of("json_field_f1", texts, [[each] for each in texts]) == 100


def slot_text(text: str, span: dict[str, int]) -> str:
    return text[span.get("startIndex", 0) : span["endIndex"]]
