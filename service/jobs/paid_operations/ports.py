"""What paid operations ask of the room that pays for an operation."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from service.database import Session
from service.jobs.models import PaidOperationRow
from service.jobs.paid_operations.states import FoundOperation
from service.storage.staged_inputs import StagedInputs

Row = TypeVar("Row", bound=PaidOperationRow)


class PaidOperation(Protocol[Row]):
    """One operation, as the room that pays for it describes it.

    An attempt to send it works on a copy of the input that is its own (`storage.staged_inputs`).
    `submit`, `find` and `cancel` each make one request and retry nothing. They raise Unavailable
    when the answer leaves open what happened, RateLimited, Forbidden, NotFound, and Invalid when
    the provider refuses.
    """

    @property
    def deadline(self) -> timedelta | None:
        """How long it may take from its acceptance; None for as long as the provider lets it."""
        ...

    @property
    def most_open(self) -> int | None:
        """How many of its record's line may run at once; None: as many as there are."""
        ...

    def connect(self) -> None:
        """Build the client, so that a missing credential is known before anything is written."""
        ...

    def prepare(self) -> Row:
        """Do what comes before the request, such as to hold its cost; return its new record."""
        ...

    def staged(self, row: Row) -> StagedInputs:
        """Return where the copies of its input lie, one for each attempt."""
        ...

    def stage(self, row: Row) -> Sequence[str]:
        """Copy its input for one attempt; return the addresses that `submit` is to name.

        Raises Unavailable, ProviderRefused, and NotFound where the input is gone.
        """
        ...

    def submit(self, row: Row, inputs: Sequence[str]) -> str:
        """Send the request, and return the operation's resource name."""
        ...

    def find(self, row: Row) -> Sequence[FoundOperation]:
        """Return all operations labelled with the record's id, in the order of their creation.

        Raises Unavailable unless the provider's list was read to its end.
        """
        ...

    def cancel(self, resource_name: str) -> None:
        """Ask the provider to stop an operation; one that has ended stays as it is."""
        ...

    def release(self, session: Session, row: Row) -> None:
        """Return what was held for an operation that was never started."""
        ...
