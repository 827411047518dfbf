"""What a local model needs is reported before it is loaded, and refused where it is not there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid
from service.inference.local.memory import (
    Shape,
    available_bytes,
    count_parameters,
    need_of_training,
    require_memory,
)

# GPT-2 of 124 M parameters, as its configuration has it.
GPT2 = Shape(
    parameters=124_439_808,
    layers=12,
    heads=12,
    vocabulary=50_257,
    inner=3072,
    matrix_widths=12 * (8 * 768 + 2 * 3072),
    norm_widths=25 * 768,
    has_composed_activation=True,
)
RECORDS = json.loads((Path(__file__).parent / "memory_records.json").read_text(encoding="utf-8"))
MIB = 1 << 20


def write_weights(file: Path, shapes: dict[str, list[int]]) -> None:
    """Write a safetensors file that has a header and no data."""
    tensors = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header)


def test_parameters_are_counted_from_headers_alone(tmp_path: Path) -> None:
    write_weights(tmp_path / "model-1.safetensors", {"a": [10, 20], "b": [5]})
    write_weights(tmp_path / "model-2.safetensors", {"c": [3, 3]})
    assert count_parameters(tmp_path) == 214


CUT = b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", len(CUT).to_bytes(8, "little") + CUT],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Invalid, match=r"model\.safetensors") as caught:
        count_parameters(tmp_path)
    assert caught.value.code == "weights_not_readable"


@pytest.mark.parametrize("record", RECORDS["peaks"], ids=lambda each: "-".join(map(str, each[:6])))
def test_an_estimate_is_above_the_measured_peak_and_at_most_a_third_and_256_mib(
    record: list[object],
) -> None:
    found: dict[str, Any] = dict(zip(RECORDS["columns"], record, strict=True))
    need = need_of_training(
        Shape(**RECORDS["shapes"][found["base"]]),
        trained=found["trained"],
        batch_size=found["batch_size"],
        length=found["tokens"],
        predicts_tokens=found["task"] == "causal_lm",
        bf16=found["precision"] == "bf16",
    )
    assert found["peak_mib"] < need.total / MIB <= 4 / 3 * found["peak_mib"] + 256


def test_activations_grow_with_rows_and_tokens_and_logits_only_where_tokens_are_predicted() -> None:
    scores = replace(GPT2, keeps_scores=True)
    need = {
        (shape, rows, tokens, predicts): need_of_training(
            shape, trained=0, batch_size=rows, length=tokens, predicts_tokens=predicts
        ).activations
        for shape in (GPT2, scores)
        for rows in (1, 2)
        for tokens in (64, 128)
        for predicts in (False, True)
    }
    assert need[GPT2, 2, 64, False] == 2 * need[GPT2, 1, 64, False] == need[GPT2, 1, 128, False]
    assert need[scores, 1, 128, False] > 2 * need[scores, 1, 64, False]  # with the square
    assert need[GPT2, 1, 64, True] - need[GPT2, 1, 64, False] == 3 * 4 * 64 * GPT2.vocabulary


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    need = need_of_training(
        GPT2, trained=GPT2.parameters, batch_size=8, length=512, predicts_tokens=True
    )
    require_memory(need, available=need.total, what="training local:gpt2")
    with pytest.raises(Invalid) as caught:
        require_memory(need, available=1 << 30, what="training local:gpt2")
    assert caught.value.code == "memory_not_enough"
    for words in (
        "training local:gpt2",
        "475 for weights",
        "949 for the optimizer",
        "475 for gradients",
        "1,024 MiB are",
    ):
        assert words in caught.value.message


def test_a_limit_of_the_operator_bounds_what_is_available() -> None:
    assert 0 < available_bytes(1 << 20) <= 1 << 20
    assert available_bytes() > 1 << 20
