"""A batch of requests put to a loaded model: labels with probabilities, or text, greedily."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch

from service.inference.local.folders import LocalTask
from service.inference.local.loader import LoadedModel, gpu_memory_of
from service.inference.local.prompts import END, classified_text, prompt_of
from service.inference.ports import Generation, GenerationRequest, Outcome

_SHOWN = 5  # of the labels, the most probable ones
_HALF = "\N{REPLACEMENT CHARACTER}"  # a character of which only some bytes are there


def stream_answer(
    loaded: LoadedModel, request: GenerationRequest, *, emit: Callable[[str], object]
) -> Generation:
    """Return the answer to a request; `emit` gets its text while it is written, a label at once.

    Raises what `answer_batch` does.
    """
    pieces = _Pieces(loaded, emit)
    with gpu_memory_of("a single request"):
        [generation] = _answer(loaded, [request], streamer=pieces)
    pieces.show(generation.text)
    return generation


def answer_batch(loaded: LoadedModel, requests: Sequence[GenerationRequest]) -> list[Generation]:
    """Return the answer to each request; all of them have the same `max_output_tokens`.

    Halves of a batch that the GPU has no memory for are tried one after the other. Raises Invalid
    `memory_not_enough` for a single request.
    """
    if len(requests) <= 1:
        with gpu_memory_of("a single request"):
            return _answer(loaded, requests)
    with suppress(torch.OutOfMemoryError):
        return _answer(loaded, requests)
    half = len(requests) // 2
    return answer_batch(loaded, requests[:half]) + answer_batch(loaded, requests[half:])


def _answer(
    loaded: LoadedModel, requests: Sequence[GenerationRequest], *, streamer: Any = None
) -> list[Generation]:
    loaded.tokenizer.padding_side = "left"  # what is written follows the last token
    loaded.tokenizer.truncation_side = "left"  # the end of a prompt asks
    with torch.inference_mode():
        if loaded.task is LocalTask.SEQUENCE_CLASSIFICATION:
            return _classify(loaded, requests)
        return _write(loaded, requests, streamer)


def _classify(loaded: LoadedModel, requests: Sequence[GenerationRequest]) -> list[Generation]:
    # As in training: a text that is too long loses its end.
    loaded.tokenizer.padding_side = loaded.tokenizer.truncation_side = "right"
    texts = [classified_text(each.system, each.contents) for each in requests]
    batch = _encoded(loaded, texts, length=loaded.max_length)
    found = torch.softmax(loaded.model(**batch).logits.float(), dim=-1)
    lengths = batch["attention_mask"].sum(dim=-1).tolist()
    return [
        _label(row, loaded.labels, tokens=length)
        for row, length in zip(found.tolist(), lengths, strict=True)
    ]


def _label(row: Sequence[float], labels: Sequence[str], *, tokens: int) -> Generation:
    ranked = sorted(zip(row, labels, strict=True), reverse=True)
    shown = {label: round(probability, 4) for probability, label in ranked[:_SHOWN]}
    return Generation(
        Outcome.OK,
        text=ranked[0][1],
        finish_reason="STOP",
        prompt_tokens=int(tokens),
        output_tokens=1,
        usage={"labelProbabilities": shown},
    )


def _write(
    loaded: LoadedModel, requests: Sequence[GenerationRequest], streamer: Any
) -> list[Generation]:
    tokenizer, most = loaded.tokenizer, requests[0].max_output_tokens
    texts = [prompt_of(tokenizer, each.system, each.contents) for each in requests]
    length = max(1, loaded.max_length - most)
    batch = _encoded(loaded, texts, length=length, special=False)
    start = batch["input_ids"].shape[1]
    more: dict[str, Any] = {}
    if _stops(loaded):
        more = {"stop_strings": [END], "tokenizer": tokenizer}
    written = loaded.model.generate(
        **batch,
        max_new_tokens=min(most, max(1, loaded.max_length - start)),
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        streamer=streamer,
        **more,
    )[:, start:]
    lengths = batch["attention_mask"].sum(dim=-1).tolist()
    return [
        _text(tokenizer, row, tokens=length, stops=bool(more))
        for row, length in zip(written.tolist(), lengths, strict=True)
    ]


def _stops(loaded: LoadedModel) -> bool:
    """Return whether a mark ends the answers: a base in plain text never learned to stop."""
    return not (loaded.tuned or loaded.tokenizer.chat_template)


class _Pieces:
    """A streamer of transformers: emits the text of one answer as it grows, and in the end all."""

    def __init__(self, loaded: LoadedModel, emit: Callable[[str], object]) -> None:
        self._loaded, self._emit = loaded, emit
        self._tokens: list[int] | None = None  # until the prompt has come, which is first
        self._shown = ""

    def put(self, value: Any) -> None:
        if self._tokens is None:
            self._tokens = []
            return
        self._tokens += value.flatten().tolist()
        tokenizer, stops = self._loaded.tokenizer, _stops(self._loaded)
        text = _text(tokenizer, self._tokens, tokens=0, stops=stops).text
        if not text.endswith(_HALF):
            self.show(text)

    def show(self, text: str) -> None:
        if text != self._shown and text.startswith(self._shown):
            self._emit(text[len(self._shown) :])
            self._shown = text

    def end(self) -> None: ...


def _text(tokenizer: Any, row: list[int], *, tokens: int, stops: bool) -> Generation:
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    said = next((at for at, token in enumerate(row) if token in {end, pad}), len(row))
    text = tokenizer.decode(row[:said], skip_special_tokens=True)
    has_ended = said < len(row)
    if stops:
        text, mark, _ = text.partition(END)
        has_ended = has_ended or bool(mark)
    text = text.strip()
    outcome = Outcome.OK if has_ended else Outcome.TRUNCATED
    return Generation(
        outcome if text else Outcome.EMPTY,
        text=text,
        finish_reason="STOP" if has_ended else "MAX_TOKENS",
        prompt_tokens=int(tokens),
        output_tokens=max(1, said),
        error="" if text else "no text in the answer",
    )


def _encoded(
    loaded: LoadedModel, texts: Sequence[str], *, length: int, special: bool = True
) -> dict[str, Any]:
    batch = loaded.tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=length,
        add_special_tokens=special,
        return_tensors="pt",
    )
    kept = {name: batch[name] for name in ("input_ids", "attention_mask")}
    return {name: each.to(loaded.model.device) for name, each in kept.items()}
