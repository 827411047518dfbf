"""What the service drops of a file, and counts in it, is what our validation said before."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.datasets.examples import Example, user_turn
from service.datasets.formats.rows import SourceRow
from service.datasets.publishing.export_forms import training_lines
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from service.jobs.paid_operations.states import OperationState
from service.storage.gcs import GcsStore
from service.tuning.ports import Hyperparameters, TuningRequest
from service.tuning.providers.vertex import open_vertex
from tests.service.datasets.columnar import prepare_rows
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

LIMIT_TOKENS = 131_072
INSTRUCTION = "Repeat the number that the text has."
ROWS, TOO_LONG, JUST_SHORT_ENOUGH = 160, (5, 17, 43), 20
TRAIN_SIZE = 120


def rows() -> Iterator[SourceRow]:
    """Yield short rows, three that are one token too long, and one that just is not."""
    for number in range(1, ROWS + 1):
        text, target = f"The number of this text is {number}.", f"{number:08}"
        tokens = LIMIT_TOKENS + 1 if number in TOO_LONG else LIMIT_TOKENS
        if number in (*TOO_LONG, JUST_SHORT_ENOUGH):
            room = 4 * tokens - len(user_turn(INSTRUCTION, "")) - len(target)
            text = text.ljust(room, "x")
        yield SourceRow(number, {"question": text, "answer": target})


def spec_of(**changes: Any) -> PrepareSpec:
    template = {"instruction": INSTRUCTION, "text": "{{question}}", "target": "{{answer}}"}
    spec = {
        "preset": "generic",
        "template": template,
        "source": {"type": "synthetic"},
        "train_sizes": [TRAIN_SIZE],
        "test_size": 10,
        "near_duplicates": None,
    }
    return PrepareSpec.model_validate(spec | changes)


@pytest.fixture
def statistics_of(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Any:
    """Tune on lines; return what the service says about them."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    store = GcsStore("theirs", "", project="p")
    provider = open_vertex(project="p", location="us-central1", endpoint=emulator.url)

    def tune(run_id: str, lines: Iterable[bytes]) -> dict[str, Any]:
        name = f"{run_id}.jsonl"
        (tmp_path / name).write_bytes(b"".join(lines))
        store.put_file(name, tmp_path / name, content_type="application/x-ndjson")
        wish = Hyperparameters(epochs=1)
        request = TuningRequest(
            run_id, "proj_1", "gemini-3.1-flash-lite", f"gs://theirs/{name}", None, name, wish
        )
        job = provider.submit(request)
        eventually(
            lambda: provider.poll(job).state is OperationState.SUCCEEDED,
            what="the tuning has not ended",
        )
        reported = emulator.request("GET", f"/v1/{job}")["tuningDataStats"]
        statistics: dict[str, Any] = reported["supervisedTuningDataStats"]
        return statistics

    return tune


def test_the_service_drops_the_rows_that_validation_has_named(statistics_of: Any) -> None:
    examples = (
        Example("", row.fields["question"], row.fields["answer"], (), "", row.number)
        for row in rows()
    )

    with pytest.raises(Invalid) as raised:
        prepare_rows(rows(), spec_of())
    reported = statistics_of("all", training_lines(INSTRUCTION, examples))

    assert [(each.pointer, each.code) for each in raised.value.faults] == [
        (f"row {number}", "tokens_over_limit") for number in TOO_LONG
    ]
    assert [int(number) for number in reported["truncatedExampleIndices"]] == list(TOO_LONG)
    assert int(reported["totalTruncatedExampleCount"]) == len(raised.value.faults)
    for reason, fault in zip(reported["droppedExampleReasons"], raised.value.faults, strict=True):
        assert f"more than {LIMIT_TOKENS} tokens" in reason
        assert f"more than {LIMIT_TOKENS} tokens" in fault.message


def test_of_a_dataset_that_leaves_them_out_nothing_is_dropped_and_the_tokens_are_as_reported(
    statistics_of: Any,
) -> None:
    outcome = prepare_rows(rows(), spec_of(max_characters=4000), model="gemini-3.1-flash-lite")

    reported = statistics_of("kept", outcome.lines[:TRAIN_SIZE])

    dropped = outcome.report.dropped["over_long"]
    assert dropped.first_rows == sorted((*TOO_LONG, JUST_SHORT_ENOUGH))
    assert int(reported["tuningDatasetExampleCount"]) == TRAIN_SIZE
    assert "totalTruncatedExampleCount" not in reported
    assert outcome.report.cost is not None
    (one_pass,) = (each for each in outcome.report.cost.rows if each.epochs == 1)
    assert one_pass.tokens_low <= int(reported["totalBillableTokenCount"]) <= one_pass.tokens_high
