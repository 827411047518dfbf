"""Query parameters that an operation does not have are refused: a typing error is no filter."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from api.request_faults import nearest, pointer_part, summary_of
from service.errors import Fault, Invalid


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise Invalid `unknown_parameter`, naming each and the one that was perhaps meant."""
    if not request.url.query:
        return
    known = sorted(set(_names_of(request.scope["route"].dependant)))
    faults = [
        Fault(
            pointer_part(name),
            "unknown_parameter",
            f"there is no such parameter here; {nearest(name, known)}",
        )
        for name in dict.fromkeys(request.query_params.keys())
        if name not in known
    ]
    if faults:
        raise Invalid(summary_of(faults), code="unknown_parameter", faults=faults)


def _names_of(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _names_of(dependency)
