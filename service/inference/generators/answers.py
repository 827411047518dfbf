"""Parses one answer of `generateContent`: any input gives a Generation."""

from collections.abc import Mapping
from typing import Any

from service.inference.ports import Generation, Outcome

# Finish reasons and their outcomes. Published enums lag behind the service, so an unknown reason
# is UNPARSABLE: its text may be incomplete.
_OUTCOMES = {
    "": Outcome.OK,
    "STOP": Outcome.OK,
    "MAX_TOKENS": Outcome.TRUNCATED,
    "SAFETY": Outcome.REFUSED,
    "RECITATION": Outcome.REFUSED,
    "LANGUAGE": Outcome.REFUSED,
    "OTHER": Outcome.REFUSED,
    "BLOCKLIST": Outcome.REFUSED,
    "PROHIBITED_CONTENT": Outcome.REFUSED,
    "SPII": Outcome.REFUSED,
    "MODEL_ARMOR": Outcome.REFUSED,
}
_KNOWN_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})


def read_answer(body: Mapping[str, Any], *, synthetic: bool = False) -> Generation:
    """Return what the answer says; never raises, whatever `body` holds.

    A blocked prompt and a missing candidate are refusals. Output tokens are those of the
    candidates and of the thoughts: both are billed as output.
    """
    usage = _mapping(body.get("usageMetadata"))
    outcome, text, reason, error = _read(body)
    return Generation(
        outcome=outcome,
        text=text if outcome in (Outcome.OK, Outcome.TRUNCATED) else "",
        finish_reason=reason,
        prompt_tokens=_count(usage, "promptTokenCount"),
        output_tokens=_count(usage, "candidatesTokenCount") + _count(usage, "thoughtsTokenCount"),
        usage=usage,
        synthetic=synthetic,
        error=error,
    )


def _read(body: Mapping[str, Any]) -> tuple[Outcome, str, str, str]:
    blocked = str(_mapping(body.get("promptFeedback")).get("blockReason") or "")
    if blocked:
        return Outcome.REFUSED, "", blocked, f"the prompt was blocked: {blocked[:64]}"
    if not _KNOWN_KEYS & body.keys():
        return Outcome.UNPARSABLE, "", "", "not an answer of generateContent"
    candidates = body.get("candidates")
    if not isinstance(candidates, list) or not candidates:
        return Outcome.REFUSED, "", "", "no candidate"
    return _read_candidate(_mapping(candidates[0]))


def _read_candidate(candidate: Mapping[str, Any]) -> tuple[Outcome, str, str, str]:
    reason = str(candidate.get("finishReason") or "")[:64]
    parts = _mapping(candidate.get("content")).get("parts")
    shown = [_mapping(part) for part in parts] if isinstance(parts, list) else []
    texts = [str(part["text"]) for part in shown if "text" in part and not part.get("thought")]
    outcome = _OUTCOMES.get(reason, Outcome.UNPARSABLE)
    if outcome is Outcome.UNPARSABLE:
        return outcome, "", reason, f"ended by {reason}"
    if outcome is Outcome.REFUSED:
        return outcome, "", reason, f"withheld: {reason}"
    if outcome is Outcome.OK and not texts and (shown or not reason):
        return Outcome.UNPARSABLE, "", reason, "no text in the answer"
    return outcome, "".join(texts), reason, ""


def _mapping(value: object) -> dict[str, Any]:
    # JSON has no other mapping, and isinstance of Mapping takes four times the CPU.
    return value if isinstance(value, dict) else {}


def _count(usage: Mapping[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) and value > 0 else 0
