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
from service.jobs.paid_operations.states import FoundOperation
from service.jobs.ports import JobRun

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The operations that were sent; with `input_removed` it is open whether they read theirs."""

    found: Sequence[FoundOperation]
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
    staged = operation.staged(row)
    if found := _alive(operation, row):
        # An earlier search may have deleted the copies, and then found no list any more.
        return Reconciled(found, input_removed=bool(staged.folder) and not staged.keys())
    keys = staged.keys()
    with run.fenced():
        pass
    staged.delete(keys)
    # A request may have arrived since the list was read.
    return Reconciled(_alive(operation, row) if keys else (), input_removed=True)


def _alive(operation: PaidOperation[Row], row: Row) -> Sequence[FoundOperation]:
    """Return what was found but for what failed because its input had been taken away."""
    found = operation.find(row)
    staged = operation.staged(row)
    void = [each for each in found if each.unread_input and staged.is_gone(each.unread_input)]
    for each in void:
        log.warning("operation_void", job_id=row.job_id, resource_name=each.resource_name)
    return [each for each in found if each not in void]
