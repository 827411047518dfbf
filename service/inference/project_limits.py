"""What a project may still spend in a month: checked when a job is submitted, and, for a call
outside jobs, held in the ledger before it is sent and settled after it.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from service.catalogue.prices import CallPrice, UsageTotals
from service.database import Session, Sessions, database_now
from service.errors import Fault, Forbidden, Invalid
from service.inference.ledger import record_calls, record_usage, usage_of_project
from service.inference.ports import GenerationRequest, GenerationResult
from service.inference.repository import remove_usage
from service.jobs.budgets import unspent_budgets
from service.jobs.operations import Admission, Request
from service.money import at_most, dollar_words, dollars, parse_dollars
from service.projects.operations import lock_project
from service.projects.schemas import ProjectLimits

_PAYING = frozenset({"tune", "evaluate", "experiment"})
LANE = "generate"


def admission(limits: ProjectLimits) -> Admission:
    """Return the check of a job of a project with these limits."""

    def admit(session: Session, request: Request) -> None:
        if limits.dollars_per_month is not None and request.kind in _PAYING:
            _admit(session, request, parse_dollars(limits.dollars_per_month))

    return admit


def _admit(session: Session, request: Request, limit_nano: int) -> None:
    """Raise Invalid `budget_required`, or Forbidden `project_limit_reached`.

    What was paid in this UTC month, what the budgets of open jobs have left, and the new budget
    are at most the limit: so it holds, whatever these jobs come to.
    """
    if request.budget_nano is None:
        message = "the project has a limit of dollars: give the job a budget"
        fault = Fault("/budget", "budget_required", message)
        raise Invalid(message, code="budget_required", faults=[fault])
    require_left(session, request.project_id, nano=request.budget_nano, limit_nano=limit_nano)


def require_left(session: Session, project_id: str, *, nano: int, limit_nano: int) -> None:
    """Raise Forbidden `project_limit_reached` where so many nano-dollars are no longer left.

    The project's row stays locked until the caller's transaction ends.
    """
    lock_project(session, project_id)
    today = database_now(session).date()
    month = usage_of_project(
        session, project_id, first=today.replace(day=1), last=today + timedelta(days=1)
    )
    paid = sum(used.known_nano for _, _, used in month)
    held = unspent_budgets(session, project_id)
    if nano > limit_nano - paid - held:
        message = (
            f"of the project's {dollars(limit_nano)} USD a month {dollar_words(paid)} are spent "
            f"and {dollar_words(held)} held by open jobs: {at_most(nano)} more do not fit; ask for "
            "less, or wait"
        )
        raise Forbidden(message, code="project_limit_reached")


class ProjectBudgetGuard:
    """A BudgetGuard of one call.

    Each try is entered with the most that it can cost, so that a crash hides nothing that was
    paid; `settle` and `release` put what is known in that entry's place.
    """

    def __init__(
        self,
        project_id: str,
        limits: ProjectLimits,
        *,
        base_model: str,
        price: CallPrice | None,
        synthetic: bool,
        sessions: Sessions,
    ) -> None:
        self._project_id, self._base_model, self._price = project_id, base_model, price
        self._limit, self._synthetic, self._sessions = limits.dollars_per_month, synthetic, sessions
        self._entry: int | None = None
        self._tries, self._most_nano = 0, 0

    async def reserve(self, request: GenerationRequest) -> None:
        """Enter one more try; raises Forbidden `project_limit_reached` and `price_unknown`."""
        await asyncio.to_thread(self._reserve, request)

    def _reserve(self, request: GenerationRequest) -> None:
        if self._price is None:
            if self._limit is not None:
                message = f"{self._base_model} has no price, and the project a limit of dollars"
                raise Forbidden(message, code="price_unknown")
            return
        # No token is shorter than a character.
        prompt = sum(map(len, request.texts))
        self._most_nano = self._price.cost(
            prompt_tokens=prompt, output_tokens=request.max_output_tokens
        )
        with self._sessions.transaction() as session:
            if self._limit is not None:
                limit = parse_dollars(self._limit)
                require_left(session, self._project_id, nano=self._most_nano, limit_nano=limit)
            self._enter(session, tries=self._tries + 1)
        self._tries += 1

    def settle(self, result: GenerationResult) -> None:
        """Enter what the answer cost, and a lost try with the most that it can have cost."""
        with self._sessions.transaction() as session:
            self._enter(session, tries=len(result.lost))
            record_calls(
                session,
                [replace(result, lost=())],
                project_id=self._project_id,
                job_id=None,
                base_model=self._base_model,
                price=self._price,
                lane=LANE,
            )

    def release(self) -> None:
        """The last try was refused, so it is not billed."""
        with self._sessions.transaction() as session:
            self._enter(session, tries=max(0, self._tries - 1))

    def _enter(self, session: Session, *, tries: int) -> None:
        """Have the ledger hold so many tries, and nothing where there is none."""
        if self._entry is not None:
            remove_usage(session, self._entry)
            self._entry = None
        if tries:
            nano = tries * self._most_nano
            held = UsageTotals(known_nano=nano, uncounted_nano=nano, synthetic=self._synthetic)
            self._entry = record_usage(
                session,
                held,
                project_id=self._project_id,
                job_id=None,
                base_model=self._base_model,
                lane=LANE,
            )
