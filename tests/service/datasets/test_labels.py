"""Labels as people have them: numbers, truth values, class numbers, lists, other Unicode forms."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from service.database import Sessions
from service.datasets.formats.class_names import card_class_names, parquet_class_names
from service.datasets.formats.rows import SourceRow
from service.datasets.presets.preset import RowProblem
from service.datasets.presets.targets import has_number_labels, label_of, spelled_labels
from service.datasets.queries import get_dataset
from service.datasets.schemas import PrepareSpec
from service.evaluation.metrics.registry import METRICS
from tests.service.datasets.columnar import prepare_rows
from tests.service.datasets.ingestion.files import fields_of, staged
from tests.service.datasets.preparation import CountingStore, go, reserve, upload

WINDS = ("calm", "breeze", "gale")
SOURCE = {"type": "synthetic"}


def read(given: str, *labels: str) -> str | RowProblem:
    return label_of(given, spelled_labels(labels))


def problem(given: str, *labels: str) -> tuple[str, str]:
    found = read(given, *labels)
    assert isinstance(found, RowProblem)
    return found.code, found.message


@pytest.mark.parametrize(
    ("given", "labels", "label"),
    [
        ("1", ("0", "1"), "1"),
        ("1.0", ("0", "1"), "1"),
        ("TRUE", ("true", "false"), "true"),
        ("false", ("True", "False"), "False"),
        ('["gale"]', WINDS, "gale"),
        ("['Gale']", WINDS, "gale"),
        ("gale;", WINDS, "gale"),
        ("calm, then gale", ("calm, then gale", "gale"), "calm, then gale"),
        ("[other]", ("[other]", "gale"), "[other]"),
        ("\u200fgale\u200e", WINDS, "gale"),
        ("\u2764\ufe0f", ("\u2764", "\u2639"), "\u2764"),
    ],
)
def test_a_label_is_found_however_it_is_written(
    given: str, labels: tuple[str, ...], label: str
) -> None:
    assert read(given, *labels) == label


@pytest.mark.parametrize(
    "given",
    ['["calm", "gale"]', "['calm' , 'gale']", "calm, gale", "calm;gale", "calm|Gale", "[0, 2]"],
)
def test_several_labels_of_one_row_are_said_to_be_several(given: str) -> None:
    code, message = problem(given, *WINDS)

    assert code == "several_labels"
    assert "the row has 2 labels" in message


@pytest.mark.parametrize(
    ("given", "labels", "said"),
    [
        ("2", WINDS, "the label is a number"),
        ("-1", WINDS, "the label is a number"),
        ("true", WINDS, "the label is true or false"),
        ("\\N", WINDS, "what tools write for a missing value"),
        ("nan", ("0", "1"), "what tools write for a missing value"),
        ("NULL", WINDS, "what tools write for a missing value"),
        ("storm", WINDS, "none of calm, breeze, gale"),
        ("3", ("0", "1"), "none of 0, 1"),
        ("calm, storm", WINDS, "none of calm"),
        ("x", tuple(f"label {n}" for n in range(40)), "none of the 40 there are"),
    ],
)
def test_another_label_is_refused_with_what_to_do(
    given: str, labels: tuple[str, ...], said: str
) -> None:
    code, message = problem(given, *labels)

    assert code == "unknown_label"
    assert said in message
    assert "`labels`" in message


def test_numbers_and_truth_values_may_be_given_as_labels() -> None:
    spec = {"preset": "classification", "source": SOURCE, "labels": [0, 1, True, "x", 0.5]}

    assert PrepareSpec.model_validate(spec).labels == ("0", "1", "true", "x", "0.5")
    with pytest.raises(ValidationError):
        PrepareSpec.model_validate(spec | {"labels": [None]})


def parquet_of(table: pa.Table, features: Any) -> bytes:
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    sink = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(noted), sink)
    return sink.getvalue()


FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "wind": {"names": list(WINDS), "_type": "ClassLabel"},
    "tags": {"feature": {"names": ["a"], "_type": "ClassLabel"}, "_type": "Sequence"},
    "odd": {"names": "ab", "_type": "ClassLabel"},
}
TABLE = pa.table({"text": ["a", "b", "c", "d"], "wind": [2, 0, -1, None], "odd": [0, 1, 0, 1]})


@pytest.mark.parametrize("needed", [None, ("text", "wind", "odd")])
def test_class_numbers_of_parquet_get_the_names_of_its_features(
    needed: tuple[str, ...] | None, tmp_path: Path
) -> None:
    rows = staged(parquet_of(TABLE, FEATURES), "parquet", tmp_path, needed=needed)

    assert [row["wind"] for row in fields_of(rows)] == ["gale", "calm", "-1", ""]
    assert [row["odd"] for row in fields_of(rows)] == ["0", "1", "0", "1"]


@pytest.mark.parametrize("noted", [b"{", b"[]", b"{}", b'{"info": {"features": []}}'])
def test_metadata_of_another_shape_names_nothing(noted: bytes) -> None:
    assert parquet_class_names({b"huggingface": noted}) == {}
    assert parquet_class_names(None) == {}


def test_names_of_a_card_are_read_in_both_spellings() -> None:
    features = [
        {"name": "text", "dtype": "string"},
        {"name": "wind", "dtype": {"class_label": {"names": {"1": "breeze", "0": "calm"}}}},
        {"name": "sea", "dtype": {"class_label": {"names": ["flat", "high"]}}},
        {"name": "gap", "dtype": {"class_label": {"names": {"0": "x", "2": "y"}}}},
        "odd",
    ]

    assert card_class_names(features) == {"wind": ["calm", "breeze"], "sea": ["flat", "high"]}
    assert card_class_names(None) == {}


def test_numbers_stay_where_the_labels_are_numbers() -> None:
    assert has_number_labels(("0", "1", "-1", "2.5"))
    assert not has_number_labels(())
    assert not has_number_labels(("0", "calm"))


@pytest.mark.parametrize(("labels", "taught"), [(WINDS, {"calm", "gale"}), ((0, 1, 2), {"0", "2"})])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it is the rows that count
def test_class_numbers_are_taught_by_name_or_as_the_numbers_that_are_asked_for(
    labels: tuple[Any, ...],
    taught: set[str],
    sessions: Sessions,
    store: CountingStore,
    project_id: str,
) -> None:
    words = [f"the sea on day {n} is {('flat', 'wild')[n % 2]} {'-' * n}" for n in range(30)]
    table = pa.table({"text": words, "label": [2 * (n % 2) for n in range(30)]})
    data = parquet_of(table, {"label": FEATURES["wind"]})
    file = upload(data, sessions, store, project_id, format="parquet")
    run = reserve(
        sessions,
        project_id,
        preset="classification",
        labels=labels,
        source={"type": "file", "file_id": file},
        train_sizes=[5],
        test_size=4,
        validation_size=0,
        near_duplicates=None,
    )

    dataset = get_dataset(go(run, store), project_id=project_id, sessions=sessions)

    assert set(dataset.report["labels"]) == taught


def test_labels_that_are_asked_but_never_taught_are_named() -> None:
    moods = {"train": ("positive", "negative"), "test": ("positive", "neutral")}
    rows = [
        SourceRow(
            number + 100 * (split == "test"),
            {"text": f"{split} day {number} {'~' * number}", "sentiment": mood, "part": split},
        )
        for split, both in moods.items()
        for number, mood in enumerate(both * 6, start=1)
    ]
    spec = PrepareSpec.model_validate(
        {
            "preset": "sentiment",
            "source": SOURCE,
            "split_column": "part",
            "train_sizes": [1, 12],
            "near_duplicates": None,
        }
    )

    warnings = {each.code: each.message for each in prepare_rows(rows, spec).report.warnings}

    assert "asked in test and never taught" in warnings["labels_not_taught"]
    assert "has neutral;" in warnings["labels_not_taught"]
    assert warnings["labels_not_tested"].endswith("about negative")
    assert "train size 1 teaches 1 of 2 labels" in warnings["train_size_without_labels"]


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"json_equal"}))
def test_every_metric_takes_both_unicode_forms_for_one_text(metric: str) -> None:
    composed, decomposed = (
        "[CAF\u00c9] \u00e9t\u00e9 \u00fcber a\u00f1o",
        "[CAFE\u0301] e\u0301te\u0301 u\u0308ber an\u0303o",
    )
    golds = [[composed], [decomposed]]
    measure = METRICS[metric].measure(golds)

    same = measure.statistics([composed, composed], golds)
    other = measure.statistics([decomposed, decomposed], golds)

    assert (same == other).all()
    assert (same == measure.best(golds)).all()
    assert (measure.worst(golds)[0] == measure.worst(golds)[1]).all()
