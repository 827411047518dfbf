"""The pieces of a streamed answer: server-sent events of `streamGenerateContent`. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

_DATA = b"data:"


def piece_of(line: bytes) -> dict[str, Any] | None:
    """Return what a line of the stream holds; None for one that holds no JSON object."""
    if not line.startswith(_DATA):
        return None
    try:
        piece = json.loads(line[len(_DATA) :])
    except (ValueError, RecursionError):
        return None
    return piece if isinstance(piece, dict) else None


def texts_in(parts: Sequence[object]) -> Iterator[str]:
    """Yield the texts of an answer's parts, thoughts aside; what is no text is none."""
    for part in parts:
        if isinstance(part, dict) and not part.get("thought"):
            text = part.get("text")
            if isinstance(text, str):
                yield text


def text_of(piece: dict[str, Any]) -> str:
    """Return the text that a piece adds to the answer, its thoughts aside."""
    content = _candidate(piece).get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return "".join(texts_in(parts if isinstance(parts, list) else ()))


def merged_answer(pieces: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the pieces as one answer of `generateContent`; None where their end is missing.

    Texts add up; of everything else the last piece that has it counts.
    """
    feedback = _last(pieces, "promptFeedback")
    reason = next((r for p in reversed(pieces) if (r := _candidate(p).get("finishReason"))), None)
    if reason is None and not feedback:
        return None
    text = "".join(map(text_of, pieces))
    parts = [{"text": text}] if text else []
    merged = {"candidates": [{"content": {"parts": parts}, "finishReason": reason}]}
    found = {"usageMetadata": _last(pieces, "usageMetadata"), "promptFeedback": feedback}
    return merged | {name: value for name, value in found.items() if value}


def _last(pieces: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((p[name] for p in reversed(pieces) if isinstance(p.get(name), dict)), {})


def _candidate(piece: dict[str, Any]) -> dict[str, Any]:
    candidates = piece.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    return first if isinstance(first, dict) else {}
