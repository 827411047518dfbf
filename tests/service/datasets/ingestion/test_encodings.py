"""Files that are not UTF-8: read as Windows-1252 only where that is text, else refused."""
# ruff: noqa: RUF001  letters of other scripts are the point

from pathlib import Path

import pytest

from service.datasets.formats.options import EncodingName
from service.errors import Invalid
from tests.service.datasets.ingestion.files import fields_of, staged

OTHERS = {
    "cp1251": "Лодка пришла вовремя, спасибо большое",
    "koi8-r": "Лодка пришла вовремя, спасибо большое",
    "cp1250": "Łódka przypłynęła później, była mała",
    "iso8859-2": "Łódka przypłynęła później, była mała",
    "cp852": "Loďka přijela příliš pozdě",
    "cp1253": "Το καράβι ήρθε αργά",
    "cp1254": "Sandal çok geç geldi, ışığı yoktu, değil mi",
    "cp1255": "הסירה הגיעה מאוחר",
    "cp1256": "وصل القارب متأخرا",
    "cp874": "เรือมาช้ามาก",
    "gb18030": "小船来得很晚，谢谢",
    "big5": "小船來得很晚，謝謝",
    "cp932": "船が遅れて届きました",
    "euc-jp": "船が遅れて届きました",
    "cp949": "배가 늦게 도착했습니다",
    "mac-roman": "Le bateau est arrivé très tard, déjà",
}
WESTERN = [
    "Ég fór í bæinn, hræið lá á ströndinni og bæirnir eru fallegir",
    "Le bateau est arrivé très tard, ça va, où est l’équipage ?",
    "Das Boot kam zu spät, schöne Grüße – „danke“",
    "¿Dónde está el barco? Mañana, señor Núñez",
    "A embarcação não chegou, às três, informações e condições",
    "Båden er på vej, søen er blå",
    "Vene ei tullut, hyvää päivää",
    "Il battello è arrivato più tardi, perché così non va però",
    "10 m², 30 °C, £5, 3 €, naïve façade… don’t",
]


MISPLACED = [
    ("cp1257", "Kurjers kavējās divas dienas, viss kārtībā"),
    ("cp1257", "Ačiū, siūlau visiems"),
    ("cp1250", "Narudžba je stigla, preporučujem, plaćanje ne radi"),
    ("cp1250", "Naročilo se je izgubilo, plačilo ne deluje"),
    ("cp1250", "A fizetés nem működik, köszönöm"),
    ("iso8859-2", "Ďakujem, všetko je v poriadku"),
    ("cp850", "Erittäin hyvä kauppa, täältä lisää"),
    ("iso8859-15", "costs 5 € more"),
]


def csv_of(text: str, encoding: str) -> bytes:
    lines = [f"{text} {number};{number % 2}" for number in range(6)]
    return "\n".join(["text;label", *lines]).encode(encoding)


@pytest.mark.parametrize(("encoding", "text"), [*OTHERS.items(), *MISPLACED])
def test_another_encoding_is_refused_with_those_that_can_be_named(
    encoding: str, text: str, tmp_path: Path
) -> None:
    data = csv_of(text, encoding)

    with pytest.raises(Invalid) as raised:
        staged(data, "csv", tmp_path)

    assert raised.value.code == "unknown_encoding"
    assert encoding in raised.value.message
    assert text.split(maxsplit=1)[0] not in raised.value.message


@pytest.mark.parametrize(("encoding", "text"), OTHERS.items())
def test_an_encoding_that_is_named_is_used(encoding: str, text: str, tmp_path: Path) -> None:
    rows = staged(csv_of(text, encoding), "csv", tmp_path, encoding=encoding)

    assert fields_of(rows)[0] == {"text": f"{text} 0", "label": "0"}
    assert rows.assumed_encodings == ()


@pytest.mark.parametrize("text", WESTERN)
def test_text_of_western_europe_is_read_and_its_encoding_is_named(
    text: str, tmp_path: Path
) -> None:
    rows = staged(csv_of(text, "cp1252"), "csv", tmp_path)

    assert fields_of(rows)[0] == {"text": f"{text} 0", "label": "0"}
    assert rows.assumed_encodings == ("cp1252",)


def test_nothing_is_assumed_about_utf_8(tmp_path: Path) -> None:
    assert staged(csv_of("Лодка", "utf-8"), "csv", tmp_path).assumed_encodings == ()


def test_utf_8_that_is_named_may_have_a_mark(tmp_path: Path) -> None:
    rows = staged(csv_of("Лодка", "utf-8-sig"), "csv", tmp_path, encoding="utf-8")

    assert rows.columns == ("text", "label")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_can_be_named(encoding: str, tmp_path: Path) -> None:
    rows = staged(csv_of("Лодка", encoding), "csv", tmp_path, encoding=encoding)

    assert fields_of(rows)[0]["text"] == "Лодка 0"


def test_every_encoding_is_one_that_python_knows() -> None:
    for name in EncodingName:
        assert "ab".encode(name).decode(name) == "ab"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["Лодка", "le bateau", "小船"])
def test_utf_16_and_utf_32_are_found_with_and_without_a_mark(
    encoding: str, text: str, tmp_path: Path
) -> None:
    rows = staged(csv_of(text, encoding), "csv", tmp_path)

    assert fields_of(rows)[0]["text"] == f"{text} 0"
    assert rows.assumed_encodings == ((encoding,) if encoding.startswith("utf-16-") else ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_lines_in_utf_16_are_read_under_either_name(
    encoding: str, name: str, tmp_path: Path
) -> None:
    lines = "".join(f'{{"text": "Лодка {number}", "label": "a"}}\n' for number in range(5))

    rows = staged(lines.encode(encoding), name, tmp_path)

    assert [fields["text"] for fields in fields_of(rows)] == [f"Лодка {n}" for n in range(5)]


def test_a_json_list_in_utf_16_is_read_as_before(tmp_path: Path) -> None:
    rows = staged('[{"text": "Лодка"},\n{"text": "b"}]'.encode("utf-16"), "json", tmp_path)

    assert [fields["text"] for fields in fields_of(rows)] == ["Лодка", "b"]


def test_utf_16_that_cannot_be_found_is_refused_with_what_to_do(tmp_path: Path) -> None:
    data = "лодка;label\nодна;1\n".encode("utf-16-le")

    with pytest.raises(Invalid, match="save it as UTF-8") as raised:
        staged(data, "csv", tmp_path)

    assert raised.value.code == "invalid_header"


@pytest.mark.parametrize("name", ["csv", "jsonl", "json"])
def test_utf_16_that_is_cut_off_is_said_to_be(name: str, tmp_path: Path) -> None:
    data = '[{"text": "Лодка"},\n{"text": "Лодка"}]'.encode("utf-16")[:-3]

    with pytest.raises(Invalid, match="cut off") as raised:
        staged(data, name, tmp_path)

    assert raised.value.code == "wrong_encoding"


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_against_a_name(mark: str, tmp_path: Path) -> None:
    rows = staged(csv_of("Лодка", mark), "csv", tmp_path, encoding="cp1251")

    assert fields_of(rows)[0] == {"text": "Лодка 0", "label": "0"}


@pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "koi8-r"])
def test_a_name_that_would_spoil_utf_8_is_refused(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="leave `encoding` out") as raised:
        staged(csv_of("Лодка", "utf-8"), "csv", tmp_path, encoding=encoding)

    assert raised.value.code == "encoding_is_utf_8"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1251", "utf-16", "gb18030"])
def test_json_lines_heed_the_encoding_that_is_named(encoding: str, tmp_path: Path) -> None:
    text = "bateau n° 3" if encoding == "latin-1" else "Лодка"
    data = f'{{"text": "{text}"}}\n{{bad\n{{"text": "b"}}\n'.encode(encoding)

    rows = staged(data, "jsonl", tmp_path, encoding=encoding)

    assert fields_of(rows) == [{"text": text}, {"text": "b"}]
    assert [fault.row for fault in rows.faults] == [2]


def test_a_byte_that_a_named_encoding_lacks_is_a_fault_of_its_line(tmp_path: Path) -> None:
    data = '{"text": "Лодка"}\n{"text": "Л'.encode("cp1251") + b'\x98"}\n'

    rows = staged(data, "jsonl", tmp_path, encoding="cp1251")

    assert [(fault.row, fault.code) for fault in rows.faults] == [(2, "wrong_encoding")]
