"""Files as 12 tools export them: each is read, or refused with what to do."""

from pathlib import Path

import pytest

from service.datasets.ingestion.staged_rows import staged_rows
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from tests.service.datasets.columnar import prepare_rows
from tests.service.datasets.ingestion.exports import CHATS, FILES, ChatExport, Export, lines, texts
from tests.service.datasets.ingestion.files import fields_of, staged

READ = [each for each in FILES if not each.code]
REFUSED = [each for each in FILES if each.code]


def test_there_are_thirty_files_of_twelve_tools() -> None:
    assert len(FILES) + len(CHATS) >= 30
    names = [*(each.name for each in FILES), *(each.name for each in CHATS)]
    assert len({name.split(",")[0] for name in names}) >= 12


@pytest.mark.parametrize("export", READ, ids=lambda export: export.name)
def test_a_file_of_a_tool_is_read(export: Export, tmp_path: Path) -> None:
    rows = staged(export.data, export.format, tmp_path, **export.options)

    assert [row[export.column] for row in fields_of(rows)] == list(export.texts)
    assert rows.faults == ()


def refusals(export: Export, folder: Path) -> list[tuple[str, str]]:
    """Return code and message of what is refused of a file without options."""
    try:
        rows = staged(export.data, export.format, folder)
    except Invalid as error:
        return [(error.code, error.message)]
    if not rows.faults:
        assert [row[export.column] for row in fields_of(rows)] == list(export.texts)
    return [(fault.code, fault.message) for fault in rows.faults]


@pytest.mark.parametrize(
    "export", [each for each in READ if "encoding" in each.options], ids=lambda export: export.name
)
def test_without_its_encoding_a_file_is_read_rightly_or_refused(
    export: Export, tmp_path: Path
) -> None:
    for code, message in refusals(export, tmp_path):
        assert code == "unknown_encoding"
        assert "encoding" in message


@pytest.mark.parametrize("export", REFUSED, ids=lambda export: export.name)
def test_a_file_that_cannot_be_read_is_refused_with_the_fix(export: Export, tmp_path: Path) -> None:
    found = refusals(export, tmp_path)

    assert {code for code, _ in found} == {export.code}
    assert all(export.fix in message for _, message in found)


@pytest.mark.parametrize("export", CHATS, ids=lambda export: export.name)
def test_chats_of_a_tool_are_read_or_refused_by_row(export: ChatExport, tmp_path: Path) -> None:
    spec = PrepareSpec.model_validate(
        {"preset": "generic", "form": "auto", "source": {"type": "synthetic"}, "test_size": 2}
        | {"train_sizes": [2], "near_duplicates": None}
    )
    rows = staged(lines(map(export.row, texts())), export.format, tmp_path)

    if export.code:
        with pytest.raises(Invalid) as raised:
            prepare_rows(staged_rows(rows), spec)
        assert {fault.code for fault in raised.value.faults} == {export.code}
        return
    found = prepare_rows(staged_rows(rows), spec)
    assert found.report.kept + sum(each.rows for each in found.report.dropped.values()) == 24
    assert {each.target for each in found.splits.train} == {"Sorry."}
