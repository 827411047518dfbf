"""Filters and pages of lists, as pure functions."""

from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import GoogleError
from emulator.filters import read_filter
from emulator.pages import page_of

FIELDS = {name: itemgetter(name) for name in ("name", "labels", "parents")}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ('name="one"', True),
        ("name=one", True),
        ('name = "two"', False),
        ('name!="two"', True),
        ('labels.team="a b"', True),
        ("labels.team:*", True),
        ("labels.other:*", False),
        ("labels:team", True),
        ('parents:"x/y"', True),
        ('parents:"z","x/y"', True),
        ('name="one" AND parents:"z"', False),
        ('(name="two" OR name="one") AND labels.team:*', True),
        ('name="AND"', False),
    ],
)
def test_a_filter_tells_what_it_says(expression: str, *, expected: bool) -> None:
    item = {"name": "one", "labels": {"team": "a b"}, "parents": ["x/y"]}
    assert read_filter(expression, fields=FIELDS)(item) is expected


@given(expression=st.text(alphabet='name="oe AND()OR:.!*,', min_size=1, max_size=30))
def test_a_filter_is_read_or_refused(expression: str) -> None:
    try:
        read_filter(expression, fields=FIELDS)({"name": "one", "labels": {}, "parents": []})
    except GoogleError as error:
        assert error.http_code == 400  # noqa: PT017  (either is right, nothing else is)


@pytest.mark.parametrize(
    "expression", ["name", 'name="one" OR name="two"', "colour=red", 'name="one" AND', "(name=a"]
)
def test_a_filter_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(GoogleError, match="Invalid filter"):
        read_filter(expression, fields=FIELDS)


@given(items=st.sets(st.integers(-50, 50), max_size=30), size=st.integers(1, 7))
def test_pages_together_hold_every_item_once(items: set[int], size: int) -> None:
    found: list[int] = []
    token = ""
    while True:
        query = {"pageSize": str(size), "pageToken": token}
        page = page_of(items, query, place=lambda item: item)
        found += page.items
        if page.next_token is None:
            break
        token = page.next_token
    assert found == sorted(items)


@pytest.mark.parametrize(
    "query", [{"pageSize": "-1"}, {"pageSize": "x"}, {"pageSize": "²"}, {"pageToken": "!"}]
)
def test_a_bad_page_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(GoogleError, match="page"):
        page_of([1], query, place=lambda item: item)
