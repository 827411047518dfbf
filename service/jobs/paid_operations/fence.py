"""Before an operation is sent again: each attempt so far is found at the provider or prevented.

A worker may stand still between its last look and the request, for as long as it likes. Each
attempt works on a copy of the input of its own, so its successor takes that copy away: a request
that arrives before is in the provider's list, and one that arrives after finds no input, so that it
is refused or fails, and trains and bills nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from service.errors import Forbidden, Invalid, NotFound, RateLimited, Unavailable
from service.jobs.paid_operations.pace import GIVE_UP
from service.jobs.paid_operations.ports import PaidOperation, Row
from service.jobs.paid_operations.states import adopted, strays_of
from service.jobs.ports import JobRun

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was sent: the operation that is `ours`, if any, and the `strays` beside it.

    With `input_removed` it is open whether ours has read its input before that was taken away.
    """

    ours: str | None
    strays: Sequence[str] = ()
    input_removed: bool = False


def search_attempts(
    run: JobRun, operation: PaidOperation[Row], row: Row, *, age: timedelta
) -> Reconciled | None:
    """As `reconcile_attempts`; None where the provider does not say, so that one looks again.

    What may have been started bills on: it is looked for as long as it may take. `age` is that of
    the attempt; raises what the provider answers once it is too old.
    """
    try:
        return reconcile_attempts(run, operation, row)
    except (Unavailable, RateLimited, Forbidden, NotFound, Invalid) as error:
        if age > (operation.deadline or timedelta()) + GIVE_UP:
            raise
        log.warning("operation_search_failed", job_id=run.id, code=error.code)
        return None


def reconcile_attempts(run: JobRun, operation: PaidOperation[Row], row: Row) -> Reconciled:
    """Return what carries a record's label; where nothing does, nothing sent before ever will.

    The copies are listed, then the lease is looked at, then they are deleted: those of a successor,
    which come later, are not among them. Raises LeaseLost, and what lists and stores raise.
    """
    found = _find(operation, row)
    staged = operation.staged(row)
    if found.ours is not None or not (keys := staged.keys()):
        return found
    with run.fenced():
        pass
    staged.delete(keys)
    # A request may have arrived since the list was read.
    return _find(operation, row)


def _find(operation: PaidOperation[Row], row: Row) -> Reconciled:
    """Return what was found, without what failed because its input had been taken away.

    An open one whose input is gone is ours only where there is none that has its input: it came
    before the deletion and has read it, or it will fail.
    """
    found, staged = operation.find(row), operation.staged(row)
    without_input = [
        each for each in found if each.unread_input and staged.is_gone(each.unread_input)
    ]
    alive = [each for each in found if each.is_open or each not in without_input]
    for each in found:
        if each not in alive:
            log.warning("operation_void", job_id=row.job_id, resource_name=each.resource_name)
    if not alive:
        return Reconciled(None)
    ours = adopted([each for each in alive if each not in without_input] or alive)
    lost_input = ours in {each.resource_name for each in without_input}
    return Reconciled(ours, strays_of(alive, ours), input_removed=lost_input)
