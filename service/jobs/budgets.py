"""What a submitted job may spend with all its children: drawn before a call, settled after it.

A worker draws a block from the shared row about once a second, and between two draws writes
only its own row: a fleet that settled fifty times a second in one row would wait for its lock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from service.database import Session, database_now
from service.errors import Conflict, Fault, Invalid
from service.jobs import tree_repository as repository
from service.jobs.models import Budget, Reservation
from service.jobs.ports import Estimate
from service.money import at_least, at_most, dollars

# A block is at most this part of what is left: towards its end a budget is shared finely.
_PART_OF_THE_REST = 8


class BudgetExhausted(Conflict):
    """The next call, or tuning, does not fit into what is left. What is stored stays."""

    default_code = "budget_exhausted"


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that spends, and the submitted job whose budget it spends."""

    job_id: str
    root_id: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw has granted: nothing while others may still give back, or for ever."""

    nano: int
    used_up: bool = False


def require_budget_for_tunings(budget_nano: int | None, estimate: Estimate) -> None:
    """Raise Invalid `budget_too_small` where a budget is sure to refuse a tuning."""
    if budget_nano is None or estimate.ahead_nano <= budget_nano:
        return
    whole = f", and all of it {at_most(estimate.high_nano)}" if estimate.high_nano else ""
    message = (
        f"the tunings need up to {at_most(estimate.ahead_nano)} USD{whole}: more than the budget "
        f"of {dollars(budget_nano)} USD; raise it, or leave out the larger train sizes"
    )
    fault = Fault("/budget", "budget_too_small", message)
    raise Invalid(message, code="budget_too_small", faults=[fault])


def open_budget(session: Session, job_id: str, limit_nano: int) -> None:
    """Write down what a job may spend, in the transaction of its submission."""
    repository.add(session, Budget(root_id=job_id, limit_nano=limit_nano, drawn_nano=0))


def holder_of(session: Session, job_id: str) -> Holder | None:
    """Return the job as a holder of its tree's budget; None when there is no budget."""
    root_id = repository.root_of(session, job_id)
    return Holder(job_id, root_id) if repository.find(session, root_id) else None


def draw(session: Session, holder: Holder, *, in_flight: int, need: int, want: int) -> Drawn:
    """Take at least `need` and about `want` nano-dollars for coming calls.

    The calls `in_flight` keep what was drawn for them; what else the holder held is counted
    back first. Grants nothing while calls in flight may give back enough, and is the last draw
    of the whole tree once they cannot.
    """
    now = database_now(session)
    budget = repository.lock(session, holder.root_id)
    if budget.used_up_at is not None:
        return Drawn(0, used_up=True)
    own = _reservation(session, holder)
    _redraw(budget, own, own.spent_nano + own.ahead_nano + in_flight)
    if _free(budget) < need:
        _take_back(session, budget, now=now)
    granted = _granted(_free(budget), need=need, want=want)
    _redraw(budget, own, own.drawn_nano + granted)
    session.flush()
    if not granted and repository.unsettled(session, holder.root_id) <= 0:
        return _use_up(session, budget, now=now)
    return Drawn(granted)


def _granted(free: int, *, need: int, want: int) -> int:
    return 0 if free < need else max(need, min(want, free // _PART_OF_THE_REST))


def spend(session: Session, holder: Holder, nano: int) -> None:
    """Note what calls have cost, in the transaction that stores their answers."""
    repository.spend(session, holder.job_id, nano)


def give_back(session: Session, holder: Holder) -> None:
    """Return what the job holds and has not spent; what it holds ahead stays."""
    budget = repository.lock(session, holder.root_id)
    own = repository.find_reservation(session, holder.job_id)
    if own is not None:
        _redraw(budget, own, own.spent_nano + own.ahead_nano)
        session.flush()


def hold_ahead(session: Session, holder: Holder, nano: int) -> bool:
    """Take what work at the provider will cost, until `settle_ahead`; a second call replaces
    the first. Returns False when it does not fit: smaller work of the tree may still.
    """
    now = database_now(session)
    budget = repository.lock(session, holder.root_id)
    own = _reservation(session, holder)
    _redraw(budget, own, own.spent_nano)
    own.ahead_nano = 0
    session.flush()
    if _free(budget) < nano:
        _take_back(session, budget, now=now)
    if budget.used_up_at is not None or _free(budget) < nano:
        return False
    own.ahead_nano = nano
    _redraw(budget, own, own.spent_nano + nano)
    session.flush()
    return True


def settle_ahead(session: Session, job_id: str, nano: int = 0) -> None:
    """Put what was paid in place of what a job held ahead; without a budget do nothing."""
    holder = holder_of(session, job_id)
    if holder is None:
        return
    budget = repository.lock(session, holder.root_id)
    own = _reservation(session, holder)
    own.ahead_nano, own.spent_nano = 0, own.spent_nano + nano
    _redraw(budget, own, own.spent_nano)
    session.flush()


def refusal(session: Session, holder: Holder, *, what: str, nano: int = 0) -> BudgetExhausted:
    """Return the error that ends a job which may spend no more.

    `nano` is what it needs, where that is known.
    """
    budget = repository.lock(session, holder.root_id)
    limit, left = dollars(budget.limit_nano), at_least(max(0, _free(budget)))
    message = f"{what} does not fit into the budget of {limit} USD of which {left} USD are left"
    if nano > 0:
        enough = at_most(budget.limit_nano - _free(budget) + nano)
        message += f": it needs up to {at_most(nano)} USD, and a budget of {enough} USD holds it"
    return BudgetExhausted(message)


def refuse_if_used_up(session: Session, job_id: str) -> None:
    """Raise BudgetExhausted when the budget of a job's tree is used up."""
    holder = holder_of(session, job_id)
    if holder is None:
        return
    budget = repository.find(session, holder.root_id)
    if budget is not None and budget.used_up_at is not None:
        raise refusal(session, holder, what="the rest of the work")


def unspent_budgets(session: Session, project_id: str) -> int:
    """Return the nano-dollars that the budgets of a project's open jobs have left."""
    return repository.unspent(session, project_id)


def reserved_of(session: Session, job_ids: Collection[str]) -> dict[str, int]:
    """Return by job the nano-dollars it holds and has not spent; only jobs that ever held some."""
    return repository.reserved_of(session, job_ids)


def _reservation(session: Session, holder: Holder) -> Reservation:
    own = repository.find_reservation(session, holder.job_id)
    if own is None:
        own = Reservation(
            holder_id=holder.job_id,
            root_id=holder.root_id,
            drawn_nano=0,
            spent_nano=0,
            ahead_nano=0,
        )
        repository.add(session, own)
    return own


def _free(budget: Budget) -> int:
    return budget.limit_nano - budget.drawn_nano


def _redraw(budget: Budget, own: Reservation, drawn_nano: int) -> None:
    budget.drawn_nano += drawn_nano - own.drawn_nano
    own.drawn_nano = drawn_nano


def _take_back(session: Session, budget: Budget, *, now: datetime) -> None:
    """Take what is held by jobs that no worker runs: their worker has died, or they have ended."""
    for own in repository.abandoned(session, budget.root_id, now=now):
        _redraw(budget, own, own.spent_nano + own.ahead_nano)
    session.flush()


def _use_up(session: Session, budget: Budget, *, now: datetime) -> Drawn:
    budget.used_up_at = budget.used_up_at or now
    session.flush()
    return Drawn(0, used_up=True)
