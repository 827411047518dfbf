"""What could take any memory is refused before it is built."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from service.datasets.formats.read_context import IngestionLimits
from service.datasets.formats.rows import SourceRow
from service.datasets.presets.definition import PresetDefinition
from service.datasets.presets.options import FILLED_CHARACTERS
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from tests.service.datasets.columnar import prepare_rows
from tests.service.datasets.ingestion.files import staged

MANY = "{{text}}" * 1000
TEMPLATES: dict[str, dict[str, Any]] = {
    "text": {"template": {"text": MANY, "target": "{{label}}"}},
    "target": {"template": {"text": "{{text}}", "target": MANY}},
    "group": {"template": {"text": "{{text}}", "target": "{{label}}", "group": MANY[:1000]}},
    "definition": {"definition": {"name": "mine", "text": MANY, "target": "{{label}}"}},
}


@pytest.mark.parametrize("place", sorted(TEMPLATES))
def test_a_template_that_would_fill_gigabytes_is_refused_by_row(place: str) -> None:
    template = TEMPLATES[place]
    definition = template.get("definition")
    if definition:
        template = {"definition": PresetDefinition.model_validate(definition).model_dump()}
    spec = PrepareSpec.model_validate(
        {"preset": "generic", "source": {"type": "synthetic"}, "train_sizes": [2], "test_size": 1}
        | template
    )
    rows = [SourceRow(n, {"text": f"text {n} ", "label": "a"}) for n in range(1, 9)]
    rows.append(SourceRow(9, {"text": "word " * 20_000, "label": "a"}))
    tracemalloc.start()

    with pytest.raises(Invalid) as raised:
        prepare_rows(rows, spec)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    found = {(each.pointer, each.code) for each in raised.value.faults}
    assert ("row 9", "template_too_long") in found
    assert str(FILLED_CHARACTERS) in raised.value.message
    assert peak < 50_000_000


@pytest.mark.parametrize("element", [b"{}", b"[]"])
def test_an_object_that_would_take_gigabytes_is_refused_before_it_is_parsed(
    element: bytes, tmp_path: Path
) -> None:
    document = b'{"rows":{"a":[' + b",".join([element] * 5_000_000) + b"]}}"
    tracemalloc.start()

    with pytest.raises(Invalid) as raised:
        staged(document, "json", tmp_path, limits=IngestionLimits(), chunk=1 << 20)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert raised.value.code == "document_too_large"
    assert peak < 8 * len(document)


def test_the_rows_of_an_object_are_read_one_by_one(tmp_path: Path) -> None:
    rows = [{"text": f"text {number}", "label": "a"} for number in range(40_000)]
    document = json.dumps({"about": {"n": 1}, "rows": rows, "end": True}).encode()
    limits = IngestionLimits(document_bytes=1000)

    assert staged(document, "json", tmp_path, limits=limits).rows == 40_000
