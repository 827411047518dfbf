"""The providers of tunings, by name; built when first asked for."""

from collections.abc import Callable

from service.registry import Registry
from service.settings import Settings
from service.tuning.ports import TuningProvider


def _vertex(settings: Settings) -> TuningProvider:
    from service.tuning.providers.vertex import open_vertex

    return open_vertex(
        project=settings.google_cloud_project,
        location=settings.location,
        endpoint=settings.vertex_endpoint,
    )


PROVIDERS: Registry[Callable[[Settings], TuningProvider]] = Registry(
    "tuning provider", {"vertex": _vertex}
)
