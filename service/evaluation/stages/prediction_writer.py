"""The one writer of answers: results of calls, and answers copied from the cache."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.catalogue.prices import CallPrice
from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Unavailable
from service.evaluation.answer_repository import (
    PREDICTIONS,
    AnswerTable,
    insert_answers,
    insert_cached,
)
from service.evaluation.lanes import Lane
from service.evaluation.plans.plan import EvaluationPlan, parse_key
from service.inference.budget_guard import JobBudgetGuard
from service.inference.cache import cache_results, cached_answers, fingerprint_of
from service.inference.ledger import record_calls
from service.inference.ports import GenerationRequest, GenerationResult
from service.jobs.ports import JobRun, LeaseLost

# So many calls in a row that reached no provider, each after all its attempts, are no accident.
UNREACHED_LIMIT = 10


class PredictionWriter:
    """Writes the predictions of one run, each batch in one transaction fenced by the job's lease.

    `stored` counts the results written. A refused call is an outcome and is stored; a call that
    reached no provider says nothing about its row, which stays missing for a later run; what it
    may have cost is entered.
    """

    def __init__(
        self,
        run: JobRun,
        plan: EvaluationPlan,
        *,
        price: CallPrice | None,
        sessions: Sessions,
        lane: Lane = Lane.ONLINE,
        budget_guard: JobBudgetGuard | None = None,
        answers: AnswerTable = PREDICTIONS,
    ) -> None:
        self._run, self._plan, self._answers, self._sessions = run, plan, answers, sessions
        self._price, self._lane, self._budget_guard = price, lane, budget_guard
        self.stored = self._unreached = self._unreached_in_a_row = 0

    def write(self, results: Sequence[GenerationResult]) -> None:
        """Store the results that reached the provider, and the cost of all.

        Where another worker has the job by now, the cost alone, as it was paid, and `run.check`
        ends this run. A batch's answers are read, and entered, by that worker: raises LeaseLost.
        """
        reached = [result for result in results if result.reached]
        self._unreached += len(results) - len(reached)
        self._unreached_in_a_row = 0 if reached else self._unreached_in_a_row + len(results)
        if not any(result.billed for result in results):
            return
        try:
            self._store(results, reached)
            self.stored += len(reached)
        except LeaseLost:
            if self._lane is Lane.BATCH:
                raise
            with self._sessions.transaction() as session:
                self._record(session, results)

    def _store(
        self, results: Sequence[GenerationResult], reached: Sequence[GenerationResult]
    ) -> None:
        """Write predictions, their cost and their copies in the cache: all of it or nothing."""
        run, plan, now = self._run, self._plan, utc_now()
        with run.fenced() as session:
            pairs = zip(results, self._record(session, results), strict=True)
            rows = [
                _row(plan.evaluation_id, result, cost, now)
                for result, cost in pairs
                if result.reached
            ]
            if rows:
                insert_answers(session, rows, answers=self._answers)
            if plan.cache:
                scope, until = plan.cache.scope(run.project_id), plan.cache.until(now)
                cache_results(
                    session,
                    reached,
                    evaluation_id=plan.evaluation_id,
                    scope=scope,
                    now=now,
                    until=until,
                )

    def _record(
        self, session: Session, results: Sequence[GenerationResult]
    ) -> Sequence[int | None]:
        return record_calls(
            session,
            results,
            project_id=self._run.project_id,
            job_id=self._run.id,
            base_model=self._plan.target.base_model,
            price=self._price,
            budget_guard=self._budget_guard,
            lane=self._lane.value,
        )

    def write_cached(self, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
        """Store the answers that the cache has, and return the requests that it has none for."""
        cache, now = self._plan.cache, utc_now()
        if cache is None or not requests:
            return list(requests)
        fingerprints = {parse_key(each.key): fingerprint_of(each) for each in requests}
        cached = cached_answers(scope=cache.scope(self._run.project_id), now=now)
        with self._run.fenced() as session:
            stored = insert_cached(
                session,
                self._plan.evaluation_id,
                fingerprints,
                cached,
                now=now,
                answers=self._answers,
            )
        return [each for each in requests if parse_key(each.key) not in stored]

    def check(self) -> None:
        """Raise Unavailable once UNREACHED_LIMIT calls in a row have reached no provider."""
        if self._unreached_in_a_row >= UNREACHED_LIMIT:
            raise _unavailable(self._unreached_in_a_row)

    def close(self) -> None:
        """Raise Unavailable when rows are missing because their calls reached no provider."""
        if self._unreached:
            raise _unavailable(self._unreached)


def _unavailable(calls: int) -> Unavailable:
    message = f"{calls} calls did not reach the provider"
    return Unavailable(message, code="provider_unavailable")


def _row(
    evaluation_id: str, result: GenerationResult, cost_nano: int | None, now: datetime
) -> dict[str, Any]:
    example_id, sample = parse_key(result.key)
    return {
        **result.generation.columns(),
        "evaluation_id": evaluation_id,
        "example_id": example_id,
        "sample": sample,
        "cost_nano": cost_nano,
        "latency_ms": result.latency_ms,
        "cached": False,
        "created_at": now,
    }
