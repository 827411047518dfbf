"""Reading by columns is a short cut: it never gives what reading line by line would not."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.formats.jsonl import jsonl_rows
from service.datasets.formats.read_context import ReadContext
from service.datasets.ingestion.batches import batch_of
from service.datasets.ingestion.columnar_jsonl import columnar_batch

NAMES = st.sampled_from(["a", "b", 'q"', "", "ü", "a:", "row"])
# What a careless reader of JSON trips over.
TEXTS = st.sampled_from(
    [
        "",
        "x",
        '"',
        '\\"',
        ":",
        '":"',
        '": "',
        "\\",
        "\\\\",
        "{}",
        "[",
        "\u2028",
        "\x7f",
        "\0",
        "\t",
        "💡",
        "\ud83d",
        "a\nb",
        "null",
    ]
) | st.text(max_size=5)
VALUES = TEXTS | st.integers() | st.none() | st.lists(TEXTS, max_size=2) | st.floats(width=16)
MEMBERS = st.lists(st.tuples(NAMES, TEXTS), max_size=3) | st.lists(
    st.tuples(NAMES, VALUES), max_size=3
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["object", "object", "object", "object", "junk"]))
    if kind == "junk":
        return draw(st.sampled_from([b"", b" ", b"[1]", b"5", b"{", b'{"a":"\xff"}', b'{"a":NaN}']))
    separator = draw(st.sampled_from([":", ": ", " :"]))
    ascii_only = draw(st.booleans())

    def spelled(value: object) -> bytes:
        text = json.dumps(value, ensure_ascii=ascii_only)
        return text.encode("utf-8", "surrogatepass")

    members = draw(MEMBERS)
    pairs = [spelled(name) + separator.encode() + spelled(value) for name, value in members]
    return b"{" + b",".join(pairs) + b"}"


@settings(max_examples=300, deadline=None)
@given(st.lists(lines(), min_size=1, max_size=4), st.sampled_from([b"", b"\n"]), st.integers(1, 2))
def test_a_block_read_by_columns_equals_the_same_read_line_by_line(
    block: list[bytes], end: bytes, times: int
) -> None:
    data = b"\n".join(block * times) + end

    batch = columnar_batch(data, 3, ReadContext())

    if batch is not None:
        careful = ReadContext()
        rows = list(jsonl_rows(data, 3, careful))
        wanted = batch_of(rows)
        assert careful.log.counts == {}
        assert list(batch.numbers) == list(wanted.numbers)
        assert {name: array.to_pylist() for name, array in batch.columns.items()} == {
            name: array.to_pylist() for name, array in wanted.columns.items()
        }


def test_plain_rows_are_read_by_columns() -> None:
    data = b'{"a": "x \\"y\\"", "b": "[1]"}\n{"b":"\\u00e9 \\n","a":"{"}\n'

    batch = columnar_batch(data, 1, ReadContext())

    assert batch is not None
    assert batch.columns["a"].to_pylist() == ['x "y"', "{"]
    assert batch.columns["b"].to_pylist() == ["[1]", "é \n"]


def test_a_member_named_twice_is_never_read_by_columns() -> None:
    # Chosen so that the number of quotes and of texts is right, taken over both lines.
    assert columnar_batch(b'{"a":5,"a":6,"b":"abc\\":"}\n', 1, ReadContext()) is None
    assert (
        columnar_batch(
            b'{"a":"x","b":"y"}\n{"a":"1","a":"2","b":"3"}\n{"a":"4"}\n', 1, ReadContext()
        )
        is None
    )
