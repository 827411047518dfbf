"""The response cache: answers found by the fingerprint of their request, until they expire."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Subquery

from service.catalogue.entry import CallSettings
from service.database import Session, Sessions
from service.inference import repository
from service.inference.generators.messages import settings_of, words_of
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome
from service.settings import Settings

# What a passing fault may have caused is asked again the next time: an empty, unparsable or
# failed answer, and a refusal that names no rule of the provider.
_CACHED_OUTCOMES = frozenset({Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED})
_VAGUE_REASONS = frozenset({"", "OTHER"})
PURGED_AT_ONCE = 1000
_ALL_PROJECTS = "all"

# `json.dumps` would build this encoder anew for every request.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How long answers are cached, for whom, and whether they come from an emulator."""

    days: float
    shared: bool
    emulated: bool

    def scope(self, project_id: str) -> str:
        """Return who may see the answers of a project; an emulator's never pass for Gemini's."""
        owner = _ALL_PROJECTS if self.shared else project_id
        return f"{owner}@{'emulator' if self.emulated else 'vertex'}"

    def until(self, now: datetime) -> datetime:
        return now + timedelta(days=self.days)


def cache_rules(settings: Settings) -> CacheRules | None:
    """Return the rules that the settings ask for; None where answers are not cached."""
    if not settings.cache_days:
        return None
    return CacheRules(
        days=settings.cache_days, shared=settings.cache_shared, emulated=settings.emulated
    )


def fingerprint_of(request: GenerationRequest) -> str:
    """Return the SHA-256, in hex, of all that makes an answer: model, place and the full body.

    The `key` is no part of it: equal requests of two evaluations share one answer.
    """
    frame = _frame(
        request.target,
        request.settings,
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
    model: CallSettings,
    location: str,
    temperature: float,
    max_output_tokens: int,
    seed: int | None,
) -> str:
    settings = settings_of(
        model, temperature=temperature, max_output_tokens=max_output_tokens, seed=seed
    )
    return _encode([location, target, settings])


def cached_answers(*, scope: str, now: datetime) -> Subquery:
    """Return the answers of a scope as a table to select from: `fingerprint` and ANSWER_COLUMNS.

    Answers are copied inside the database: reading and writing each here takes three times the
    CPU.
    """
    return repository.cached_responses(scope=scope, now=now)


def cache_results(
    session: Session,
    results: Sequence[GenerationResult],
    *,
    evaluation_id: str,
    scope: str,
    now: datetime,
    until: datetime,
) -> None:
    """Cache results in the caller's transaction; of two for the same request the last one.

    They are forgotten with the evaluation that they were asked for.
    """
    rows = {
        fingerprint_of(each.request): each.generation
        for each in results
        if _is_lasting(each.generation)
    }
    if rows:
        common = {
            "scope": scope,
            "evaluation_id": evaluation_id,
            "created_at": now,
            "expires_at": until,
        }
        repository.put_responses(
            session,
            [
                {"fingerprint": fingerprint, **common, **generation.columns()}
                for fingerprint, generation in rows.items()
            ],
        )


def _is_lasting(generation: Generation) -> bool:
    vague = generation.outcome is Outcome.REFUSED and generation.finish_reason in _VAGUE_REASONS
    return generation.outcome in _CACHED_OUTCOMES and not vague


def forget_answers(session: Session, evaluation_id: str, *, project_id: str) -> None:
    """Delete the cached answers of an evaluation.

    Those of versions before 0.2 say not of which they are: all of the project's go along.
    """
    repository.delete_responses(session, evaluation_id, unknown_of=f"{project_id}@")


def purge_cache(before: datetime, *, sessions: Sessions) -> int:
    """Delete answers that expired before a time, 1,000 a transaction; return how many."""
    deleted = 0
    while True:
        with sessions.transaction() as session:
            count = repository.delete_expired(session, before=before, limit=PURGED_AT_ONCE)
        deleted += count
        if count < PURGED_AT_ONCE:
            return deleted
