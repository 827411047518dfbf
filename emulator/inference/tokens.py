"""computeTokens: the tokens of a text, about four characters each, and made-up numbers of them."""

import base64
from typing import Any
from zlib import crc32

from emulator.errors import GoogleError
from emulator.messages import parse_message
from emulator.prompts import CHARACTERS_PER_TOKEN

_ID_SHIFT = 14


def compute_tokens_body(document: dict[str, Any], types: Any) -> dict[str, Any]:
    """Return the tokens of each content. Raises GoogleError 400 for unknown fields, or no text."""
    message = parse_message(document, types)
    if not message.contents:
        raise GoogleError(400, "Unable to submit request because it has no contents.")
    return {
        "tokensInfo": [
            _tokens_of("".join(part.text for part in content.parts), content.role)
            for content in message.contents
        ]
    }


def _tokens_of(text: str, role: str) -> dict[str, Any]:
    size = CHARACTERS_PER_TOKEN
    tokens = [
        text[at : at + size].encode("utf-8", "surrogatepass") for at in range(0, len(text), size)
    ]
    return {
        "role": role or "user",
        "tokens": [base64.b64encode(token).decode() for token in tokens],
        "tokenIds": [str(token_id(token)) for token in tokens],
    }


def token_id(token: bytes) -> int:
    """Return a number that is the same for the same token, and no real vocabulary's."""
    return crc32(token) >> _ID_SHIFT
