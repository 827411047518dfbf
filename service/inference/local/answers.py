"""A batch of requests put to a loaded model: labels with probabilities, or text, greedily."""

from collections.abc import Sequence
from typing import Any

import torch

from service.inference.local.folders import LocalTask
from service.inference.local.loader import LoadedModel
from service.inference.local.prompts import END, classified_text, prompt_of
from service.inference.ports import Generation, GenerationRequest, Outcome

_SHOWN = 5  # of the labels, the most probable ones


def answer_batch(loaded: LoadedModel, requests: Sequence[GenerationRequest]) -> list[Generation]:
    """Return the answer to each request; all of them have the same `max_output_tokens`."""
    loaded.tokenizer.padding_side = "left"  # what is written follows the last token
    loaded.tokenizer.truncation_side = "left"  # the end of a prompt asks
    with torch.inference_mode():
        if loaded.task is LocalTask.SEQUENCE_CLASSIFICATION:
            return _classify(loaded, requests)
        return _write(loaded, requests)


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


def _write(loaded: LoadedModel, requests: Sequence[GenerationRequest]) -> list[Generation]:
    tokenizer, most = loaded.tokenizer, requests[0].max_output_tokens
    texts = [prompt_of(tokenizer, each.system, each.contents) for each in requests]
    length = max(1, loaded.max_length - most)
    batch = _encoded(loaded, texts, length=length, special=False)
    start = batch["input_ids"].shape[1]
    more: dict[str, Any] = {}
    if not (loaded.tuned or tokenizer.chat_template):
        more = {"stop_strings": [END], "tokenizer": tokenizer}  # it never learned to stop
    written = loaded.model.generate(
        **batch,
        max_new_tokens=min(most, max(1, loaded.max_length - start)),
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )[:, start:]
    lengths = batch["attention_mask"].sum(dim=-1).tolist()
    return [
        _text(tokenizer, row, tokens=length, stops=bool(more))
        for row, length in zip(written.tolist(), lengths, strict=True)
    ]


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
