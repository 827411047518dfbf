"""Addresses of objects in Cloud Storage. Pure."""

import re

from service.errors import Fault, Invalid

GS_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?", re.DOTALL)


def check_gs_uri(uri: str, *, pointer: str = "") -> tuple[str, str]:
    """Return bucket and name of a `gs://` address, or raise Invalid `invalid_uri`."""
    found = GS_URI.fullmatch(uri)
    if found and found[2]:
        return found[1], found[2]
    message = "an object's address is gs://bucket/name"
    raise Invalid(message, code="invalid_uri", faults=[Fault(pointer, "invalid_uri", message)])
