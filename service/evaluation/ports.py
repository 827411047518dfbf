"""What evaluation asks of its neighbours: where a tuned model answers."""

from typing import Protocol

from service.database import Session


class TunedEndpoint(Protocol):
    """A finished model; the location is the one inside the endpoint's own name."""

    @property
    def base_model(self) -> str: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def location(self) -> str: ...


class FindModel(Protocol):
    """Returns a finished model; raises NotFound, and InputNotReady while it is being made."""

    def __call__(self, model_id: str, *, project_id: str, session: Session) -> TunedEndpoint: ...
