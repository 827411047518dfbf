"""Files that mean harm, or are hopeless: a clear error in bounded time and memory, nothing kept."""

import gzip
import io
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from service.datasets.formats.options import FormatName
from service.datasets.ingestion.staged_rows import stage_file
from service.datasets.sources.source import SourceFile
from service.errors import Invalid
from service.files.contents import TooLarge
from tests.service.datasets.ingestion.files import SMALL, as_parquet, faults_of, staged

TIGHT = replace(SMALL, parquet_memory_bytes=512 << 20, rows=1_000_000, parquet_seconds=600)
SECONDS = 30


def _computed() -> float:
    """Return the seconds of computing of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def refusal(data: bytes, name: str, folder: Path) -> tuple[type[Exception], str]:
    before = _computed()
    with pytest.raises(Invalid) as raised:
        staged(data, name, folder, limits=TIGHT)
    assert _computed() - before < SECONDS
    assert list(folder.iterdir()) == []
    assert len(raised.value.message) > 15
    return type(raised.value), raised.value.code


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../rows.jsonl", b"0" * 1_000_000)
    return file.getvalue()


@cache
def gzip_bomb() -> bytes:
    return gzip.compress(bytes(64 << 20))


def zstd_bomb() -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (gzip_bomb, "too_large"),
        (lambda: gzip.compress(gzip.compress(bytes(1 << 20))), "unreadable_archive"),
        (lambda: gzip.compress(b'{"a": 1}\n' * 99)[:-9], "invalid_gzip"),
        (lambda: b"\x1f\x8b" + bytes(50), "invalid_gzip"),
        (zstd_bomb, "too_large"),
        (lambda: zstandard.compress(b'{"a": 1}\n' * 99)[:-3], "invalid_zstd"),
        (lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "invalid_zstd"),
        (zipped, "unreadable_archive"),
        (lambda: b"%PDF-1.7 ...", "unreadable_archive"),
        (lambda: b"x" * (9 << 20), "too_large"),
        (lambda: b"", "empty_file"),
        (lambda: gzip.compress(b""), "empty_file"),
    ],
)
@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
def test_bombs_and_archives_are_refused(
    make: Callable[[], bytes], code: str, name: str, tmp_path: Path
) -> None:
    assert refusal(make(), name, tmp_path)[1] == code


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        (",".join(f"c{n}" for n in range(9000)) + "\n", "csv", "too_many_columns"),
        (",".join("c" * 30_000), "csv", "duplicate_column"),
        ("a,b," + "c" * 500 + "\n1,2,3\n", "csv", "column_name_too_long"),
        ("c," * 1_000_000, "csv", "row_too_long"),
        ("\n".join(f'{{"c{n}": ""}}' for n in range(1500)), "jsonl", "too_many_columns"),
        (f'{{"{"c" * 500}": "x"}}', "jsonl", "column_name_too_long"),
        ("\n \n", "csv", "missing_header"),
        ("[]", "json", "invalid_layout"),
        ('{"a": 1}', "json", "invalid_layout"),
        ('{"a": [{"b": 1}], "c": [{"b": 1}]}', "json", "invalid_layout"),
        (
            '{"rows": {"a": [' + '{"a": "x"},' * 200_000 + '{"a": "x"}]}}',
            "json",
            "document_too_large",
        ),
        ('{"rows": [{"a": "x"}], "n": "' + "x" * 1_100_000 + '"}', "json", "document_too_large"),
        ('{"rows": [{"a": "x"}], "n": x}', "json", "invalid_json"),
        ('{"rows": [{"a": "x"}], "rows": []}', "json", "duplicate_key"),
        ("text", "json", "invalid_json"),
        ("a,b\n1,2\n", "parquet", "invalid_parquet"),
    ],
)
def test_hopeless_texts_are_refused(text: str, name: str, code: str, tmp_path: Path) -> None:
    assert refusal(text.encode(), name, tmp_path)[1] == code


@pytest.mark.parametrize("name", ["jsonl", "csv", "json"])
def test_an_endless_line_is_read_in_little_memory(name: str, tmp_path: Path) -> None:
    line = (b"x" * (1 << 20) for _ in range(150))
    file = SourceFile(line, FormatName(name))
    limits = replace(SMALL, source_bytes=1 << 30)
    tracemalloc.start()

    try:
        faults = faults_of(stage_file(file, folder=tmp_path, limits=limits))
    except Invalid as error:
        faults = [(1, error.code, "")]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert faults[0][1] in {"line_too_long", "row_too_long", "invalid_json"}
    assert peak_bytes < 32 << 20


def table(**columns: object) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, compression="zstd", use_dictionary=False)
    return file.getvalue()


def repeated(text: str, times: int) -> bytes:
    """Return rows that share one text: a few kilobytes, however many they are."""
    indices = pa.array(np.zeros(times, np.int32))
    file = io.BytesIO()
    parquet.write_table(
        pa.table({"a": pa.DictionaryArray.from_arrays(indices, pa.array([text]))}), file
    )
    return file.getvalue()


def patched(data: bytes, at: int, change: bytes) -> bytes:
    whole = bytearray(data)
    whole[at : at + len(change)] = change
    return bytes(whole)


HONEST = as_parquet([{"a": f"text {n}"} for n in range(1000)])


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (lambda: repeated("x" * 60_000, 900_000), TooLarge, "too_large"),
        (lambda: repeated("x", 3_000_000), TooLarge, "too_many_rows"),
        (lambda: table(a=["x" * 5_000_000] * 2), TooLarge, "too_large"),
        (lambda: table(**{f"c{n}": ["x"] for n in range(1500)}), Invalid, "too_many_columns"),
        (lambda: HONEST[:-20], Invalid, "invalid_parquet"),
        (lambda: HONEST[:1000] + HONEST[-600:], Invalid, "invalid_parquet"),
        (
            lambda: patched(HONEST, len(HONEST) - 8, struct.pack("<I", 2**31 - 1)),
            Invalid,
            "invalid_parquet",
        ),
        (lambda: b"PAR1", Invalid, "invalid_parquet"),
        (lambda: b"PAR1" + bytes(100) + b"PAR1", Invalid, "invalid_parquet"),
    ],
)
def test_parquet_that_lies_about_its_size_is_refused(
    make: Callable[[], bytes], kind: type[Exception], code: str, tmp_path: Path
) -> None:
    assert refusal(make(), "parquet", tmp_path) == (kind, code)


def test_parquet_whose_footer_counts_other_rows_than_come_is_refused(tmp_path: Path) -> None:
    # The number of rows, 1000, is written as a zigzag varint in the footer, several times.
    size = struct.unpack("<I", HONEST[-8:-4])[0]
    footer = HONEST[-8 - size : -8]
    lie = HONEST[: -8 - size] + footer.replace(b"\xd0\x0f", b"\xd2\x0f") + HONEST[-8:]
    assert lie != HONEST

    assert refusal(lie, "parquet", tmp_path)[1] == "invalid_parquet"


def test_damaged_parquet_never_takes_the_worker_along(tmp_path: Path) -> None:
    for seed in range(4):
        chance = random.Random(seed)  # noqa: S311  damage, nothing secret
        damaged = bytearray(HONEST)
        for _ in range(4**seed):
            damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
        try:
            rows = staged(bytes(damaged), "parquet", tmp_path, limits=TIGHT)
        except Invalid as error:
            assert error.code in {"invalid_parquet", "too_large", "too_many_rows"}  # noqa: PT017  either way is right
        else:
            assert rows.source_rows == 1000


def test_random_bytes_are_refused_or_named_row_by_row(tmp_path: Path) -> None:
    noise = random.Random(5).randbytes(300_000)  # noqa: S311  noise, nothing secret
    for name in ("jsonl", "csv", "json", "tsv"):
        try:
            rows = staged(noise, name, tmp_path)
        except Invalid as error:
            assert error.code  # noqa: PT017  either way is right
        else:
            assert faults_of(rows)
