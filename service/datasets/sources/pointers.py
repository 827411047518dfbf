"""Errors of a part of a spec, pointed to where the part stands in the whole."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import Fault, TunecurveError


@contextmanager
def repoint_faults(prefix: str, *, to: str) -> Iterator[None]:
    """Raise what the block raises with the beginning of its faults' pointers changed."""
    try:
        yield
    except TunecurveError as error:
        if prefix == to or not error.faults:
            raise
        faults = [_moved(fault, prefix, to) for fault in error.faults]
        raise type(error)(error.message, code=error.code, faults=faults) from error


def _moved(fault: Fault, prefix: str, to: str) -> Fault:
    if fault.pointer != prefix and not fault.pointer.startswith(f"{prefix}/"):
        return fault
    return Fault(to + fault.pointer.removeprefix(prefix), fault.code, fault.message)
