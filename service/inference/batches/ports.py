"""Batch prediction: a service that answers a whole file of requests at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from service.jobs.paid_operations.states import FoundOperation, OperationState


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """`run_id` travels as a label: a batch whose submission had no answer is found by it.

    `model` is a publisher model (`gemini-3.1-flash-lite`) or an endpoint's full resource name.
    `input_uri` is a JSONL of `{"key": …, "request": …}`; the answers go below `output_uri`.
    """

    run_id: str
    model: str
    location: str
    input_uri: str
    output_uri: str
    display_name: str


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch as its provider reports it now; `output_uri` is the folder of what was answered."""

    resource_name: str
    state: OperationState
    provider_state: str
    output_uri: str | None = None
    error: str = ""


class BatchProvider(Protocol):
    """Each method makes one call and does not retry.

    All raise Unavailable without an answer, RateLimited when refused for quota, Forbidden,
    NotFound `batch_not_found`, and Invalid `provider_refused` with the provider's words.
    """

    @property
    def synthetic(self) -> bool:
        """True when the answers are an emulator's."""
        ...

    def connect(self, location: str) -> None:
        """Build the client of `submit` now; raises Forbidden where it has no credentials."""
        ...

    def submit(self, order: BatchOrder) -> str:
        """Start a batch and return its resource name. After Unavailable it may still exist."""
        ...

    def find(self, run_id: str, *, location: str) -> Sequence[FoundOperation]:
        """Return all batches labelled with `run_id`, in the order of their creation.

        Raises Unavailable unless the list was read to its end.
        """
        ...

    def poll(self, resource_name: str) -> ProviderBatch: ...

    def cancel(self, resource_name: str) -> None:
        """Ask to stop; a batch that has ended is left as it is."""
        ...

    def delete(self, resource_name: str) -> None:
        """Delete the record of a batch that has ended; one that is gone is fine."""
        ...
