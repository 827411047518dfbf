"""What a local model needs is reported before it is loaded, and refused where it is not there."""

import json
from pathlib import Path

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
GPT2 = Shape(parameters=124_439_808, layers=12, hidden=768, heads=12, vocabulary=50_257)


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


def test_training_all_weights_takes_sixteen_bytes_each_and_an_adapter_four() -> None:
    whole = need_of_training(
        GPT2, trained=GPT2.parameters, batch_size=8, length=128, predicts_tokens=False
    )
    adapter = need_of_training(
        GPT2, trained=294_912, batch_size=8, length=128, predicts_tokens=False
    )
    assert whole.weights + whole.training == 16 * GPT2.parameters
    assert adapter.weights + adapter.training == 4 * GPT2.parameters + 12 * 294_912
    assert whole.activations == adapter.activations


def test_activations_grow_with_rows_and_tokens_and_logits_only_where_tokens_are_predicted() -> None:
    need = {
        (rows, tokens, predicts): need_of_training(
            GPT2, trained=0, batch_size=rows, length=tokens, predicts_tokens=predicts
        ).activations
        for rows in (1, 2)
        for tokens in (64, 128)
        for predicts in (False, True)
    }
    assert need[2, 64, False] == 2 * need[1, 64, False]
    assert need[1, 128, False] > 2 * need[1, 64, False]  # attention grows with the square
    assert need[1, 64, True] - need[1, 64, False] == 3 * 4 * 64 * GPT2.vocabulary


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    need = need_of_training(
        GPT2, trained=GPT2.parameters, batch_size=8, length=512, predicts_tokens=True
    )
    require_memory(need, available=need.total, what="training local:gpt2")
    with pytest.raises(Invalid) as caught:
        require_memory(need, available=1 << 30, what="training local:gpt2")
    assert caught.value.code == "memory_not_enough"
    for words in ("training local:gpt2", "475 for weights", "1,424 for gradients", "1,024 MiB are"):
        assert words in caught.value.message


def test_a_limit_of_the_operator_bounds_what_is_available() -> None:
    assert 0 < available_bytes(1 << 20) <= 1 << 20
    assert available_bytes() > 1 << 20
