"""What a data file's bytes must be."""

import codecs
import gzip
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.files.compression import expanded, refuse_archives
from service.files.contents import TooLarge, checked_text, limited


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def check(data: bytes, *, size: int = 7, line_bytes: int | None = 1000, utf8: bool = True) -> bytes:
    return b"".join(checked_text(cut(data, size), line_bytes=line_bytes, utf8=utf8))


@given(text=st.text(min_size=1).filter(str.strip), size=st.integers(1, 9))
def test_text_passes_unchanged_however_it_is_cut(text: str, size: int) -> None:
    data = text.replace("\0", "").encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    if data.strip():
        assert check(data, size=size) == data


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "code", "pointer", "said"),
    [
        ("ab\ncaf\u00e9 au lait\n".encode("latin-1"), "wrong_encoding", "row 2", "byte 6 "),
        (b"ab\ncd\xe2\x82", "wrong_encoding", "row 2", "byte 5 "),
        (b"ab\n\n\ncd\0ef", "not_text", "row 4", "byte 7 "),
        ("text".encode("utf-16"), "wrong_encoding", "row 1", "UTF-16"),
        ('{"text": "a"}'.encode("utf-16-le"), "wrong_encoding", "row 1", "UTF-16-LE"),
        (b"short\n" + b"x" * 1001, "line_too_long", "row 2", "1000 bytes"),
    ],
)
def test_what_is_not_text_is_refused_at_its_byte_and_row(
    data: bytes, code: str, pointer: str, said: str, size: int
) -> None:
    with pytest.raises(Invalid) as raised:
        check(data, size=size)

    (fault,) = raised.value.faults
    assert (raised.value.code, fault.code, fault.pointer) == (code, code, pointer)
    assert said in fault.message


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF16_BE])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-16-be", "utf-32"])
def test_text_in_any_encoding_passes_where_its_reader_finds_it(
    encoding: str, mark: bytes, size: int
) -> None:
    data = mark * (encoding == "utf-16-be") + "au lait,caf\u00e9\n".encode(encoding)

    assert check(data, size=size, utf8=False) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"caf\xe9\0", "not_text"),
        (codecs.BOM_UTF16_LE + "\r\n ".encode("utf-16-le"), "empty_file"),
        (b"caf\xe9 " * 201, "line_too_long"),
    ],
)
def test_in_no_encoding_may_text_be_anything(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        check(data, utf8=False)

    assert raised.value.code == code


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_with_nothing_in_it_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        check(data, size=1000)

    assert raised.value.code == "empty_file"


def test_a_line_of_the_longest_length_passes() -> None:
    assert check(b"x" * 1000 + b"\n" + b"y" * 1000)
    assert check(b"x" * 5000, line_bytes=None)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@given(data=st.binary(max_size=5000), size=st.integers(1, 700))
def test_what_is_compressed_is_expanded_however_it_is_cut(
    compress: Callable[[bytes], bytes], data: bytes, size: int
) -> None:
    twice = compress(data) + compress(data)

    assert b"".join(expanded(cut(twice, size), limit_bytes=10_000)) == data * 2


def test_what_is_not_compressed_passes_as_it_is() -> None:
    assert b"".join(expanded([b"", b"\x1f", b"plain"], limit_bytes=100)) == b"\x1fplain"
    assert list(expanded([], limit_bytes=100)) == []


@pytest.mark.parametrize(("compress", "held"), [(gzip.compress, 1), (zstandard.compress, 16)])
def test_a_bomb_is_stopped_at_the_limit(compress: Callable[[bytes], bytes], held: int) -> None:
    bomb = compress(bytes(50_000_000))
    pieces: list[bytes] = []

    with pytest.raises(TooLarge) as raised:
        pieces.extend(expanded([bomb], limit_bytes=20_000_000))

    assert raised.value.status == 413
    assert raised.value.code == "too_large"
    assert sum(map(len, pieces)) <= 20_000_000
    assert max(map(len, pieces), default=0) <= held << 20


@pytest.mark.parametrize("damage", [lambda z: z[:-9], lambda z: z[:20] + b"\xff" * 9 + z[29:]])
@pytest.mark.parametrize(
    ("compress", "code"), [(gzip.compress, "invalid_gzip"), (zstandard.compress, "invalid_zstd")]
)
def test_what_is_damaged_is_refused(
    compress: Callable[[bytes], bytes], code: str, damage: Callable[[bytes], bytes]
) -> None:
    whole = compress(b"".join(b"%d," % (number * 7919 % 10007) for number in range(5000)))

    with pytest.raises(Invalid) as raised:
        b"".join(expanded(cut(damage(whole), 50), limit_bytes=100_000))

    assert raised.value.code == code


@pytest.mark.parametrize(
    "head",
    [b"PK\x03\x04...", b"%PDF-1.7", gzip.compress(b"a", mtime=0)],
    ids=["zip", "PDF", "gzip in gzip"],
)
def test_an_archive_is_refused_by_name(head: bytes) -> None:
    with pytest.raises(Invalid, match=r"zip archive|PDF|compressed twice") as raised:
        refuse_archives(head)

    assert raised.value.code == "unreadable_archive"


def test_a_limit_counts_all_chunks() -> None:
    assert b"".join(limited([b"ab", b"cd"], limit_bytes=4)) == b"abcd"
    with pytest.raises(TooLarge):
        list(limited([b"ab", b"cd", b"e"], limit_bytes=4))
