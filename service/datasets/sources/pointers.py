"""Faults of a part of a spec, with pointers into the whole spec."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import Fault, TunecurveError


@contextmanager
def repoint_faults(prefix: str, *, to: str) -> Iterator[None]:
    """Raise what the block raises, with `prefix` of its faults' pointers replaced by `to`."""
    try:
        yield
    except TunecurveError as error:
        if prefix == to or not error.faults:
            raise
        faults = [_repointed(fault, prefix, to) for fault in error.faults]
        raise type(error)(error.message, code=error.code, faults=faults) from error


def _repointed(fault: Fault, prefix: str, to: str) -> Fault:
    if fault.pointer != prefix and not fault.pointer.startswith(f"{prefix}/"):
        return fault
    return Fault(to + fault.pointer.removeprefix(prefix), fault.code, fault.message)
