"""The store step: a batch of answers, their cost and their memory, in one fenced transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.catalogue.prices import CallPrice
from service.clock import utc_now
from service.evaluation import repository
from service.evaluation.lanes import Lane
from service.evaluation.plan import EvaluationPlan, parts_of
from service.inference.budget_guard import JobBudgetGuard
from service.inference.cache import CacheRules, cache_results
from service.inference.ledger import record_calls
from service.inference.ports import GenerationResult
from service.jobs.ports import JobRun


@dataclass(frozen=True, slots=True)
class PredictionWriter:
    """Where the answers of a run go, and what they cost there. `cache` is None when it is off."""

    run: JobRun
    plan: EvaluationPlan
    price: CallPrice | None
    budget_guard: JobBudgetGuard | None
    cache: CacheRules | None
    lane: Lane = Lane.ONLINE

    def keep(self, batch: Sequence[GenerationResult]) -> None:
        """Store answers while the lease is ours: all that follows from them, or none of it."""
        run, now = self.run, utc_now()
        with run.fenced() as session:
            costs = record_calls(
                session,
                batch,
                project_id=run.project_id,
                job_id=run.id,
                base_model=self.plan.target.base_model,
                price=self.price,
                budget_guard=self.budget_guard,
                lane=self.lane.value,
            )
            rows = [
                _row(self.plan.evaluation_id, answer, cost, now)
                for answer, cost in zip(batch, costs, strict=True)
            ]
            repository.insert_predictions(session, rows)
            if self.cache:
                scope, until = self.cache.scope(run.project_id), self.cache.until(now)
                cache_results(session, batch, scope=scope, now=now, until=until)


def _row(
    evaluation_id: str, answer: GenerationResult, cost_nano: int | None, now: datetime
) -> dict[str, Any]:
    generation = answer.generation
    example_id, sample = parts_of(answer.key)
    return {
        "evaluation_id": evaluation_id,
        "example_id": example_id,
        "sample": sample,
        "outcome": generation.outcome.value,
        "text": generation.text,
        "finish_reason": generation.finish_reason[:50],
        "error": generation.error[:500],
        "prompt_tokens": generation.prompt_tokens,
        "output_tokens": generation.output_tokens,
        "usage": dict(generation.usage),
        "cost_nano": cost_nano,
        "synthetic": generation.synthetic,
        "cached": False,
        "created_at": now,
    }
