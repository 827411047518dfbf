"""What we ask of a service that answers a whole file of requests at once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class BatchState(StrEnum):
    """Our own words: each SDK has another idea of which states are final."""

    INTENDED = "intended"  # written down, perhaps sent, no answer seen yet
    ACCEPTED = "accepted"  # the provider queues or runs it
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"  # cancelled or out of time: what was answered so far is there
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """`run_id` travels as a label: it is how a lost answer is found again.

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
    """A batch as the provider tells it now; `output_uri` is the folder of what was answered."""

    resource_name: str
    state: BatchState
    provider_state: str
    output_uri: str | None = None
    error: str = ""


class BatchProvider(Protocol):
    """Each call is one question; none retries by itself.

    All raise Unavailable when no answer came, RateLimited when refused for quota, Forbidden,
    NotFound `batch_not_found`, and Invalid `provider_refused` with the provider's words.
    """

    @property
    def synthetic(self) -> bool:
        """True when the answers are an emulator's."""
        ...

    def submit(self, order: BatchOrder) -> str:
        """Start a batch and return its resource name. After Unavailable it may still exist."""
        ...

    def find(self, run_id: str, *, location: str) -> str | None:
        """Return the resource name of the batch labelled with `run_id`, reading every page."""
        ...

    def poll(self, resource_name: str) -> ProviderBatch: ...

    def cancel(self, resource_name: str) -> None:
        """Ask to stop; a batch that has ended is left as it is."""
        ...
