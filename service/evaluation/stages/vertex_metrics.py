"""The stage of the evaluation service: it is sent all answers that it has not scored yet.

Its scores lie beside what judges say, one a row and metric. What it refuses or fails is stored,
too, with the reason: a metric that is not ours ends no evaluation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from service.clock import utc_now
from service.database import Session
from service.errors import NotFound, ProviderRefused, TunecurveError, Unavailable
from service.evaluation.answer_repository import (
    AnswerTable,
    insert_answers,
    judgements_by,
    samples_of,
    stored_keys,
)
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.scoring.votes import majority
from service.evaluation.stages.requests import CHUNK, example_chunks
from service.evaluation.vertex_metrics import (
    ScoredText,
    VertexMetric,
    batches,
    read_scores,
    request_body,
)
from service.inference.budget_guard import JobBudgetGuard, open_budget_guard
from service.inference.ledger import record_calls
from service.inference.operations import generate_all
from service.inference.ports import (
    EVALUATION_SERVICE,
    Flow,
    Generation,
    GenerationRequest,
    GenerationResult,
    Outcome,
    Turn,
)
from service.inference.retry import QuotaExhausted
from service.jobs.ports import JobRun, LeaseLost

_UNREADABLE = "the service's answer has not one score for each text"
_PROVIDER = {"provider_unavailable", "provider_not_found"}  # else something of ours is away


def scores_of(metric: VertexMetric) -> AnswerTable:
    """Return where the scores of a metric are stored, one a row, 0 to 1."""
    return judgements_by(metric.score_name)


def run_vertex_metrics(run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices) -> None:
    """Have all answers scored by each metric asked for; a second call sends nothing again.

    Raises Preempted, JobCancelled, LeaseLost, BudgetExhausted.
    """
    for metric in dict.fromkeys(plan.spec.vertex_metrics):
        stage = _Stage(run, plan, metric, services=services)
        try:
            stage.send()
        except (NotFound, ProviderRefused, Unavailable, QuotaExhausted) as error:
            if isinstance(error, NotFound | Unavailable) and error.code not in _PROVIDER:
                raise
            stage.give_up(error)


class _Stage:
    """One metric over all rows. Requests are read in one thread, scores stored in another."""

    def __init__(
        self,
        run: JobRun,
        plan: EvaluationPlan,
        metric: VertexMetric,
        *,
        services: EvaluationServices,
    ) -> None:
        self._run, self._plan, self._metric, self._services = run, plan, metric, services
        location = services.calls.catalogue.places.tuning
        self._target = Target(EVALUATION_SERVICE, EVALUATION_SERVICE, location)
        self._price = services.calls.catalogue.price_of_calls(EVALUATION_SERVICE, location=location)
        self._sent: dict[str, list[ScoredText]] = {}
        self._budget_guard: JobBudgetGuard | None = None

    def send(self) -> None:
        calls, target = self._services.calls, self._target
        requests = self._requests()
        first = next(requests, None)
        if first is None:  # no connection is opened without a request
            return
        with open_budget_guard(
            self._run, price=self._price, sessions=self._services.sessions
        ) as self._budget_guard:
            generate_all(
                chain([first], requests),
                generator=calls.generator(target, self._run.project_id),
                governor=calls.governor(target, self._run.project_id),
                flow=Flow(self._run.project_id, self._run.root_id),
                limits=replace(calls.limits(target), hedging=False),
                budget_guard=self._budget_guard,
                store=self._store,
                check=self._check,
            )

    def give_up(self, error: TunecurveError) -> None:
        """Store the reason for all rows that have no score."""
        for texts in self._missing():
            with self._run.fenced() as session:
                failed = Generation(Outcome.FAILED, error=error.message)
                rows = [self._row(text, failed) for text in texts]
                insert_answers(session, rows, answers=scores_of(self._metric))

    def _check(self) -> None:
        self._run.check()
        self._run.check_preemption()

    def _requests(self) -> Iterator[GenerationRequest]:
        texts = (text for chunk in self._missing() for text in chunk)
        for batch in batches(texts):
            key = batch[0].example_id
            self._sent[key] = batch
            yield GenerationRequest(
                key=key,
                target=self._target.name,
                base_model=self._target.base_model,
                location=self._target.location,
                contents=(Turn("user", request_body(self._metric, batch)),),
                max_output_tokens=1,
            )

    def _missing(self) -> Iterator[list[ScoredText]]:
        """Yield, of each chunk of rows, the answers that the metric has not scored yet."""
        plan, services = self._plan, self._services
        for chunk in example_chunks(plan, range(plan.rows), services=services, size=CHUNK):
            self._check()
            ids = [example.id for example in chunk]
            with services.sessions.reading() as session:
                samples = samples_of(session, plan.evaluation_id, ids)
                stored = stored_keys(
                    session, plan.evaluation_id, ids, answers=scores_of(self._metric)
                )
            found = []
            for example in chunk:
                answer = majority(samples[example.id], plan.reader, seed=plan.spec.seed).answer
                if answer.outcome is Outcome.OK and (example.id, 0) not in stored:
                    given = self._given(answer.raw, answer.text)
                    golds = tuple(map(str.strip, example.references))
                    found.append(ScoredText(example.id, given, golds))
            yield found

    def _given(self, raw: str, normal: str) -> str:
        """Return the answer in the form in which ours are scored."""
        return (raw if self._metric is VertexMetric.EXACT_MATCH else normal).strip()

    def _store(self, results: Sequence[GenerationResult]) -> None:
        """Write scores and cost: all of it or nothing, but for a cost whose lease is lost."""
        rows = [row for result in results if not result.abandoned for row in self._rows(result)]
        try:
            with self._run.fenced() as session:
                self._record(session, results)
                if rows:
                    insert_answers(session, rows, answers=scores_of(self._metric))
        except LeaseLost:
            with self._services.sessions.transaction() as session:
                self._record(session, results)

    def _record(self, session: Session, results: Sequence[GenerationResult]) -> None:
        record_calls(
            session,
            results,
            project_id=self._run.project_id,
            job_id=self._run.id,
            base_model=EVALUATION_SERVICE,
            price=self._price,
            budget_guard=self._budget_guard,
        )

    def _rows(self, result: GenerationResult) -> Iterator[dict[str, Any]]:
        texts, answer = self._sent.pop(result.key), result.generation
        if answer.outcome is not Outcome.OK:
            yield from (self._row(text, answer) for text in texts)
            return
        scores = read_scores(self._metric, texts, answer.text)
        for text, score in zip(texts, scores, strict=True):
            said = (
                Generation(Outcome.FAILED, error=_UNREADABLE)
                if score is None
                else Generation(Outcome.OK, text=repr(score), synthetic=answer.synthetic)
            )
            yield self._row(text, said)

    def _row(self, text: ScoredText, said: Generation) -> dict[str, Any]:
        return {
            **said.columns(),
            "evaluation_id": self._plan.evaluation_id,
            "example_id": text.example_id,
            "sample": 0,
            "cost_nano": None,
            "latency_ms": None,
            "cached": False,
            "created_at": utc_now(),
        }
