"""What the caller may do: everything, but for the part that the setting `forbidden` takes away."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.errors import GoogleError, StorageError
from emulator.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]

_READS = frozenset({"GET", "HEAD"})
_READING = frozenset({"get", "list"})


class Permissions:
    """Guards routes as IAM does; `settings` are read at every request."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def held(self, asked: Sequence[str]) -> list[str]:
        """Return which permissions on a bucket, such as `storage.objects.get`, the caller has."""
        match self._settings().forbidden:
            case "storage":
                return []
            case "storage_writes":
                return [name for name in asked if name.rpartition(".")[2] in _READING]
            case _:
                return list(asked)

    def guard_storage(self, routes: Sequence[Route]) -> list[Route]:
        """Return the routes of Cloud Storage, which refuse what is forbidden."""
        return [_replaced(route, self._storage(route.endpoint)) for route in routes]

    def guard_tunings(self, routes: Sequence[Route]) -> list[Route]:
        """Return the routes of tuning jobs, which refuse what is forbidden."""
        return [_replaced(route, self._tunings(route.endpoint)) for route in routes]

    def _storage(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            forbidden = self._settings().forbidden
            if request.url.path.endswith("/iam/testPermissions"):
                return await endpoint(request)  # which needs no permission
            if forbidden == "storage" or (
                forbidden == "storage_writes" and request.method not in _READS
            ):
                message = "The caller does not have the permission on this bucket."
                raise StorageError(403, message, reason="forbidden")
            return await endpoint(request)

        return guarded

    def _tunings(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if self._settings().forbidden == "tunings":
                raise GoogleError(403, "Permission denied on resource tuningJobs.")
            return await endpoint(request)

        return guarded


def _replaced(route: Route, endpoint: Endpoint) -> Route:
    return Route(route.path, endpoint, methods=sorted(route.methods or ()))
