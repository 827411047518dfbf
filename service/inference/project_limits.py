"""What a project may still spend in a month: checked when a job is submitted."""

from datetime import timedelta

from service.database import Session, database_now
from service.errors import Fault, Forbidden, Invalid
from service.inference.ledger import usage_of_project
from service.jobs.budgets import unspent_budgets
from service.jobs.operations import Admission, Request
from service.money import dollars, parse_dollars
from service.projects.operations import lock_project
from service.projects.schemas import ProjectLimits

_PAYING = frozenset({"tune", "evaluate", "experiment"})


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
            f"of the project's {dollars(limit_nano)} USD a month {dollars(paid)} are spent and "
            f"{dollars(held)} held by open jobs: {dollars(nano)} more do not fit; ask for less, "
            "or wait"
        )
        raise Forbidden(message, code="project_limit_reached")
