"""The firewall: given splits that leak are refused with their rows, cut ones never leak."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

import pytest

from service.datasets.examples import Split, fold
from service.datasets.formats.rows import SourceRow
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from tests.service.datasets.columnar import Outcome, prepare_rows
from tests.support.shared_data import shared_data

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("ara", "elo", "imu", "onde")]


def spec_of(preset: str = "generic", **changes: Any) -> PrepareSpec:
    spec_fields: dict[str, Any] = {
        "source": {"type": "synthetic"},
        "train_sizes": [2],
        "test_size": 2,
    }
    template = {"text": "{{text}}", "target": "{{target}}", "group": "{{group}}"}
    if preset == "generic":
        spec_fields |= {"template": template, "split_column": "split"}
    return PrepareSpec.model_validate({"preset": preset, **spec_fields, **changes})


def sentence(number: int) -> str:
    random = Random(number)  # noqa: S311  nothing secret
    return " ".join(random.choices(WORDS, k=14))


def row(number: int, split: str, **fields: str) -> SourceRow:
    text = sentence(number)
    own = {"text": text, "target": f"answer {number}", "group": f"g{number}", "split": split}
    return SourceRow(number, own | fields)


def clean() -> list[SourceRow]:
    """Return rows of given splits that have nothing in common."""
    names = ["train"] * 8 + ["validation"] * 2 + ["test"] * 4
    return [row(number, name) for number, name in enumerate(names, start=1)]


def changed(held: int, source: int, **fields: str) -> list[SourceRow]:
    """Return clean rows, one of them with fields of its own."""
    rows = clean()
    rows[held - 1] = row(held, rows[held - 1].fields["split"], **fields)
    assert rows[source - 1].fields["split"] != rows[held - 1].fields["split"]
    return rows


def moved(source: SourceRow, by: int, split: str) -> SourceRow:
    """Return the same row further down, in another split."""
    return SourceRow(source.number + by, {**source.fields, "split": split})


def refused(rows: Sequence[SourceRow], **changes: Any) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as raised:
        prepare_rows(rows, spec_of(**changes))
    assert raised.value.code == "leakage"
    return {(fault.pointer, fault.code) for fault in raised.value.faults}


def test_given_splits_that_have_nothing_in_common_pass() -> None:
    outcome = prepare_rows(clean(), spec_of())

    splits = outcome.splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 2, 4]
    assert {each.row for each in splits.test} == {11, 12, 13, 14}
    assert outcome.report.leakage is not None
    assert outcome.report.leakage.leaks == []
    assert not outcome.report.leakage.allowed


ASKED = "has asked for the documents of"
MASKED = f"[NAME] {ASKED} [COMPANY] again"


@pytest.mark.parametrize(
    ("rule", "theirs", "ours"),
    [
        ("leak_exact_input", {"text": sentence(99)}, {"text": sentence(99)}),
        (
            "leak_normalised_input",
            {"text": sentence(99)},
            {"text": f"{sentence(99).upper()} !"},
        ),
        (
            "leak_near_input",
            {"text": f"{sentence(99)} and then"},
            {"text": f"{sentence(99)} and thus"},
        ),
        (
            "leak_target_template",
            {"target": MASKED, "text": f"Anna {ASKED} the old boatyard again"},
            {"target": MASKED.replace("[COMPANY]", "[CITY]"), "text": f"Mr Wu {ASKED} Rome again"},
        ),
        ("leak_group", {"group": "one author"}, {"group": "One  Author"}),
    ],
    ids=["exact", "normalised", "near", "template", "group"],
)
@pytest.mark.parametrize(("held", "other"), [(12, 3), (12, 9), (10, 3)])
def test_each_kind_of_leak_is_refused_with_the_row(
    rule: str, theirs: dict[str, str], ours: dict[str, str], held: int, other: int
) -> None:
    rows = changed(held, other, **ours)
    rows[other - 1] = row(other, rows[other - 1].fields["split"], **theirs)

    assert (f"row {held}", rule) in refused(rows)


def test_one_answer_with_tags_to_many_questions_is_no_leak() -> None:
    answer = {"target": "<p>Sorry, we are closed: see [our hours] instead</p>"}
    rows = changed(12, 3, **answer)
    rows[2] = row(3, rows[2].fields["split"], **answer)

    leakage = prepare_rows(rows, spec_of()).report.leakage

    assert leakage is not None
    assert leakage.leaks == []


def test_a_leak_names_both_rows_and_the_way_out() -> None:
    with pytest.raises(Invalid) as raised:
        prepare_rows(changed(12, 3, text=sentence(3)), spec_of())

    fault = next(each for each in raised.value.faults if each.code == "leak_exact_input")
    assert fault.pointer == "row 12"
    assert "row 3" in fault.message
    assert "`allow_leakage`" in fault.message
    assert sentence(3) not in fault.message


def test_allowed_leaks_are_stamped_into_the_report() -> None:
    rows = changed(12, 3, text=sentence(3))

    leakage = prepare_rows(rows, spec_of(allow_leakage=True)).report.leakage

    assert leakage is not None
    assert leakage.allowed
    exact = next(leak for leak in leakage.leaks if leak.rule == "leak_exact_input")
    assert (exact.split, exact.other, exact.rows) == (Split.TEST, Split.TRAIN, 1)
    assert [(pair.held, pair.other) for pair in exact.pairs] == [(12, 3)]


def test_the_published_layout_is_refused_validation_is_train_and_shots_are_test() -> None:
    rows = [row(number, "train") for number in range(1, 9)]
    rows += [row(number, "test") for number in range(11, 15)]
    rows += [moved(each, 20, "validation") for each in rows[:8]]
    rows += [moved(each, 40, "shot") for each in rows[8:10]]

    found = refused(rows)

    assert {("row 21", "validation_is_train"), ("row 11", "shot_in_test")} <= found


def test_shots_come_first_in_train() -> None:
    rows = [*clean(), row(30, "shot"), row(31, "shot")]

    train = prepare_rows(rows, spec_of()).splits.train

    assert {each.row for each in train[:2]} == {30, 31}


def test_a_given_test_file_is_the_whole_test_and_is_named_in_leaks() -> None:
    source = {"type": "synthetic"}
    changes: dict[str, Any] = {"split_column": None, "test_source": source, "validation_size": 2}
    held = [row(number, "") for number in range(50, 55)]
    main = [row(number, "") for number in range(1, 20)]
    spec = spec_of(**changes)

    splits = prepare_rows(main, spec, given={Split.TEST: held}).splits
    with pytest.raises(Invalid) as raised:
        prepare_rows([*main, row(52, "")], spec, given={Split.TEST: held})

    assert {each.row for each in splits.test} == {50, 51, 52, 53, 54}
    assert len(splits.validation) == 2
    assert {fault.pointer for fault in raised.value.faults} == {"test row 52"}


def test_a_split_that_is_no_split_is_a_fault_of_its_row() -> None:
    rows = [*clean(), row(30, "dev")]

    with pytest.raises(Invalid) as raised:
        prepare_rows(rows, spec_of())

    assert [(each.pointer, each.code) for each in raised.value.faults] == [
        ("row 30", "unknown_split")
    ]


# ------------------------------------------------------------------------------- real data


def _csv_rows(name: str, *columns: str) -> Iterator[dict[str, str]]:
    path = shared_data(name)
    data = path.read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    for fields in csv.DictReader(io.StringIO(text, newline="")):
        yield {column: fields[column] for column in columns}


def _squad() -> Iterator[dict[str, str]]:
    path = shared_data("squad/squad_v1.1_dev_shared.json.gz")
    for article in json.loads(gzip.decompress(path.read_bytes()))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield {
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": json.dumps([each["text"] for each in question["answers"]]),
                    "title": article["title"],
                }


def _restaurants() -> Iterator[dict[str, str]]:
    path = shared_data("extraction/restaurant8k_train_0.json.gz")
    for each in json.loads(gzip.decompress(path.read_bytes())):
        text = each["userInput"]["text"]
        spans = {
            label["slot"]: text[span.get("startIndex", 0) : span.get("endIndex")]
            for label in each.get("labels", ())
            for span in [label["valueSpan"]]
        }
        asked = each.get("context", {}).get("requestedSlots", ())
        yield {"text": text, "context": " ".join(asked), "target": json.dumps(spans)}


def real(preset: str) -> list[dict[str, str]]:
    if preset == "extraction":
        return list(_restaurants())
    if preset == "squad":
        return list(_squad())[::4]
    if preset == "sentiment":
        name = "tweets/tweet_sentiment_extraction_shared.csv.gz"
        return list(_csv_rows(name, "text", "sentiment"))[:4000]
    name = "pii/presidio_synth_v2_shared_pairs.csv"
    return list(_csv_rows(name, "source_text", "target_text"))


def numbered(rows: Iterable[dict[str, str]]) -> Iterator[SourceRow]:
    for number, fields in enumerate(rows, start=1):
        yield SourceRow(number, fields)


@pytest.mark.parametrize("preset", ["pii", "squad", "sentiment", "extraction"])
def test_the_default_split_of_real_data_has_no_leak_and_a_random_one_is_refused(
    preset: str,
) -> None:
    rows = real(preset)
    sizes: dict[str, Any] = {"test_size": 100, "validation_size": 50, "train_sizes": [100]}
    random = Random(0)  # noqa: S311  nothing secret
    names = [*["test"] * (len(rows) // 10), *["train"] * (len(rows) - len(rows) // 10)]
    random.shuffle(names)

    outcome = prepare_rows(numbered(rows), spec_of(preset, **sizes))
    with pytest.raises(Invalid) as raised:
        forced = ({**fields, "split": name} for fields, name in zip(rows, names, strict=True))
        prepare_rows(numbered(forced), spec_of(preset, **sizes, split_column="split"))

    assert outcome.report.leakage is not None
    assert outcome.report.leakage.leaks == []
    _check_by_hand(outcome)
    assert raised.value.code == "leakage"
    assert all(names[int(fault.pointer[4:]) - 1] == "test" for fault in raised.value.faults)


def test_the_published_layout_of_squad_is_refused_with_its_rows() -> None:
    rows = real("squad")
    articles = list(dict.fromkeys(fields["title"] for fields in rows))
    names = {title: "test" if title in articles[-3:] else "train" for title in articles}
    given = [(fields, names[fields["title"]]) for fields in rows]
    train = [fields for fields, name in given if name == "train"]
    test = [fields for fields, name in given if name == "test"]
    layout = [*given, *((each, "validation") for each in train), *((e, "shot") for e in test[:3])]

    with pytest.raises(Invalid) as raised:
        laid_out = ({**fields, "split": name} for fields, name in layout)
        prepare_rows(numbered(laid_out), spec_of("squad", split_column="split"))

    assert raised.value.code == "leakage"
    shots = {each.pointer for each in raised.value.faults if each.code == "shot_in_test"}
    assert shots == {f"row {at}" for at, (each, _) in enumerate(given, 1) if each in test[:3]}
    copied = [each.pointer for each in raised.value.faults if each.code == "validation_is_train"]
    assert copied
    assert all(layout[int(each[4:]) - 1][1] == "validation" for each in copied)


def _check_by_hand(outcome: Outcome) -> None:
    splits = outcome.splits
    trained = {fold(each.text) for each in splits.train}
    groups = {each.group for each in splits.train}
    for each in (*splits.test, *splits.validation):
        assert fold(each.text) not in trained
        assert each.group not in groups
