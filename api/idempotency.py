"""The header Idempotency-Key: bare, or quoted as a structured field writes it."""

import re
from typing import Annotated

from fastapi import Depends, Header

from service.errors import Fault, Invalid

_VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")


def parse_key(sent: str) -> str:
    """Return the key without its quotes; raises Invalid `invalid_idempotency_key`."""
    key = sent.strip()
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not _VISIBLE_ASCII.fullmatch(key):
        message = "an Idempotency-Key has 1 to 128 visible ASCII characters, best a random UUID"
        fault = Fault("Idempotency-Key", "invalid_idempotency_key", message)
        raise Invalid(message, code="invalid_idempotency_key", faults=[fault])
    return key


async def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="the same key and body within 24 hours give the same job",
            examples=["3f8e1c52-7b0c-4f4e-9a58-5f8f6d1c2b7a"],
        ),
    ] = None,
) -> str | None:
    return None if idempotency_key is None else parse_key(idempotency_key)


IdempotencyKey = Annotated[str | None, Depends(_key)]
