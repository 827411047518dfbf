"""Answers that were paid for are used again: found by what was asked, for as long as they last."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Subquery

from service.database import Session, Sessions
from service.inference import responses
from service.inference.generators.bodies import settings_of, words_of
from service.inference.ports import Generation, GenerationRequest, Outcome
from service.inference.sending import Answered

# What is unparsable or failed today may be well tomorrow.
REMEMBERED = frozenset({Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED})
PURGED_AT_ONCE = 1000
_ALL_PROJECTS = "all"

# `json.dumps` would build this encoder anew for every request.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How long answers are remembered, for whom, and whether an emulator gives them."""

    days: float
    shared: bool
    emulated: bool

    def scope(self, project_id: str) -> str:
        """Return who may see the answers of a project; an emulator's never pass for Gemini's."""
        owner = _ALL_PROJECTS if self.shared else project_id
        return f"{owner}@{'emulator' if self.emulated else 'vertex'}"

    def until(self, now: datetime) -> datetime:
        return now + timedelta(days=self.days)


def fingerprint_of(request: GenerationRequest) -> str:
    """Return the SHA-256, in hex, of all that makes an answer: model, place and the full body.

    The `key` is no part of it: two evaluations that ask the same share one answer.
    """
    frame = _frame(
        request.target,
        request.base_model,
        request.location,
        request.temperature,
        request.max_output_tokens,
        request.seed,
    )
    text = f"{frame}\n{_encode(words_of(request))}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=256)  # the same for all rows of an evaluation, and most of the work
def _frame(
    target: str,
    base_model: str,
    location: str,
    temperature: float,
    max_output_tokens: int,
    seed: int | None,
) -> str:
    settings = settings_of(
        base_model, temperature=temperature, max_output_tokens=max_output_tokens, seed=seed
    )
    return _encode([location, target, settings])


def remembered(*, scope: str, now: datetime) -> Subquery:
    """Return the answers of a scope as a table to select from: `fingerprint` and an answer.

    They are copied inside the database: to carry each through this process costs three times
    the CPU.
    """
    return responses.remembered(scope=scope, now=now)


def remember(
    session: Session, answers: Sequence[Answered], *, scope: str, now: datetime, until: datetime
) -> None:
    """Keep answers in the caller's transaction; of two to the same request the last one."""
    rows = {
        fingerprint_of(each.request): each.generation
        for each in answers
        if each.generation.outcome in REMEMBERED
    }
    if rows:
        kept = [
            _row(generation)
            | {"scope": scope, "fingerprint": name, "created_at": now, "expires_at": until}
            for name, generation in rows.items()
        ]
        responses.put(session, kept)


def purge_responses(before: datetime, *, sessions: Sessions) -> int:
    """Forget answers that expired before a time, a thousand a transaction; return how many."""
    gone = 0
    while True:
        with sessions.transaction() as session:
            count = responses.purge(session, before=before, limit=PURGED_AT_ONCE)
        gone += count
        if count < PURGED_AT_ONCE:
            return gone


def _row(generation: Generation) -> dict[str, Any]:
    return {
        "outcome": generation.outcome.value,
        "text": generation.text,
        "finish_reason": generation.finish_reason[:50],
        "error": generation.error[:500],
        "prompt_tokens": generation.prompt_tokens,
        "output_tokens": generation.output_tokens,
        "usage": dict(generation.usage),
        "synthetic": generation.synthetic,
    }
