"""Tunecurve from Python and from the command line: `from tunecurve import Client`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunecurve.client import Client
    from tunecurve.errors import ApiError, JobFailedError, TunecurveError, UnreachableError

__all__ = ["ApiError", "Client", "JobFailedError", "TunecurveError", "UnreachableError"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `tunecurve --help` needs no HTTP library, which costs 100 ms.
    if name not in __all__:
        raise AttributeError(f"module 'tunecurve' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"tunecurve.{'client' if name == 'Client' else 'errors'}"), name)
