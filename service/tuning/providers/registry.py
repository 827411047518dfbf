"""The providers of tunings, by name; built when first asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from service.jobs.paid_operations.pace import operation_pace
from service.registry import Registry
from service.settings import Settings
from service.tuning.ports import TuningProvider

if TYPE_CHECKING:
    from service.tuning.providers.vertex import VertexTuning


def open_vertex(settings: Settings) -> "VertexTuning":
    """Return the provider of a service's settings; raises Invalid `project_not_set`."""
    from service.tuning.providers import vertex

    return vertex.open_vertex(
        project=settings.google_cloud_project,
        location=settings.location,
        endpoint=settings.vertex_endpoint,
        submit_seconds=operation_pace(settings).submit_seconds,
    )


PROVIDERS: Registry[Callable[[Settings], TuningProvider]] = Registry(
    "tuning provider", {"vertex": open_vertex}
)
