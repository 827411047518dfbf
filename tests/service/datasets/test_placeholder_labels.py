"""Labels and instruction of masking: given, those of ai4privacy, or those of the training split."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from service.database import Sessions
from service.datasets.formats.rows import SourceRow
from service.datasets.presets.pii import INSTRUCTION, LABELS
from service.datasets.queries import get_dataset
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from tests.service.datasets.columnar import Outcome, prepare_rows
from tests.service.datasets.preparation import CountingStore, go, read_object, reserve, upload

HELD_OUT_LABEL = "PASSPORT"


def masked(form: str = "[{}]") -> list[SourceRow]:
    """Return rows of which the twentieth and later, for the test, hold a label of their own."""
    rows = []
    for number in range(1, 31):
        names = ["SURNAME", "EMAIL", "PLATE"][: 1 + number % 3]
        if number > 20:
            names.append(HELD_OUT_LABEL)
        marks = " and ".join(form.format(name) for name in names)
        target = f"Case {number}: [sic] we {'really ' * number}wrote to {marks} on day {number}"
        source = f"Case {number}: [sic] we {'really ' * number}wrote to x{number} on day {number}"
        split = "test" if number > 20 else "train"
        fields = {"source_text": source, "target_text": target, "part": split}
        rows.append(SourceRow(number, fields))
    return rows


def outcome(rows: Sequence[SourceRow], **changes: Any) -> Outcome:
    given = {
        "preset": "pii",
        "source": {"type": "synthetic"},
        "split_column": "part",
        "train_sizes": [5],
        "near_duplicates": None,
    }
    return prepare_rows(rows, PrepareSpec.model_validate(given | changes))


def instruction_of(prepared: Outcome) -> str:
    text: str = json.loads(prepared.lines[0])["contents"][0]["parts"][0]["text"]
    return text.partition("\n\nText: ")[0]


def warnings(prepared: Outcome) -> dict[str, str]:
    return {each.code: each.message for each in prepared.report.warnings}


def test_without_labels_the_instruction_names_those_of_ai4privacy_and_the_others_are_reported() -> (
    None
):
    prepared = outcome(masked())

    assert instruction_of(prepared) == INSTRUCTION
    assert INSTRUCTION.endswith(f"Labels: {', '.join(LABELS)}")
    warning = warnings(prepared)["labels_not_in_instruction"]
    assert "3 labels of the targets" in warning
    assert "SURNAME, PASSPORT, PLATE;" in warning


def test_labels_that_are_given_take_their_place() -> None:
    labels = ["SURNAME", "EMAIL", "PLATE", HELD_OUT_LABEL]

    prepared = outcome(masked(), labels=labels)

    assert instruction_of(prepared).endswith("Labels: SURNAME, EMAIL, PLATE, PASSPORT")
    assert "labels_not_in_instruction" not in warnings(prepared)


def test_labels_of_the_training_split_are_named_most_frequent_first_and_no_others() -> None:
    prepared = outcome(masked(), labels="train")

    assert instruction_of(prepared).endswith("Labels: SURNAME, EMAIL, PLATE")
    assert "PASSPORT;" in warnings(prepared)["labels_not_in_instruction"]


def test_targets_without_placeholders_leave_the_instruction_as_it_is() -> None:
    rows = [
        SourceRow(row.number, dict(row.fields) | {"target_text": row.fields["source_text"]})
        for row in masked()
    ]

    assert instruction_of(outcome(rows, labels="train")) == INSTRUCTION


@pytest.mark.parametrize("form", ["[{}_1]", "<{}>", "{{{{ {} }}}}"])
def test_labels_are_found_in_any_brackets_and_the_brackets_are_compared(form: str) -> None:
    prepared = outcome(masked(form), labels="train")

    assert instruction_of(prepared).endswith("Labels: SURNAME, EMAIL, PLATE")
    asked_otherwise = "placeholders_in_other_brackets" in warnings(prepared)
    assert asked_otherwise == (not form.startswith("["))


def test_an_instruction_of_ones_own_holds_the_labels_where_it_says() -> None:
    own = "Hide names as <NAME>. Known: {{labels}}. Keep {{this}}."

    prepared = outcome(masked("<{}>"), instruction=own, labels="train")

    assert instruction_of(prepared) == (
        "Hide names as <NAME>. Known: SURNAME, EMAIL, PLATE. Keep {{this}}."
    )
    assert "placeholders_in_other_brackets" not in warnings(prepared)


@pytest.mark.parametrize(
    ("preset", "changes", "code"),
    [
        ("sentiment", {"labels": "train"}, "labels_not_allowed"),
        ("classification", {"labels": "train"}, "labels_required"),
        ("generic", {"instruction": "Say it."}, "instruction_not_allowed"),
        ("pii", {"squad": {"answers": "lowercase"}}, "squad_not_allowed"),
    ],
)
def test_options_that_a_preset_does_not_take_are_refused(
    preset: str, changes: dict[str, Any], code: str
) -> None:
    template = {"text": "{{source_text}}", "target": "{{target_text}}"}
    given = {"template": template} if preset == "generic" else {}

    with pytest.raises(Invalid) as raised:
        outcome(masked(), preset=preset, **given, **changes)

    assert raised.value.code == code


def test_the_stored_dataset_and_its_manifest_have_the_instruction_of_the_training_split(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    data = b"\n".join(json.dumps(dict(row.fields)).encode() for row in masked())
    file = upload(data, sessions, store, project_id, format="jsonl")
    run = reserve(
        sessions,
        project_id,
        source={"type": "file", "file_id": file},
        labels="train",
        split_column="part",
        train_sizes=[5],
        near_duplicates=None,
    )

    dataset = get_dataset(go(run, store), project_id=project_id, sessions=sessions)

    assert dataset.instruction.endswith("Labels: SURNAME, EMAIL, PLATE")
    manifest = json.loads(read_object(store, dataset.report["manifest"]["key"]))
    assert manifest["instruction"] == dataset.instruction
    line = json.loads(read_object(store, dataset.training_files["5"]["key"]).splitlines()[0])
    assert line["contents"][0]["parts"][0]["text"].startswith(dataset.instruction)
