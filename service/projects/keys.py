"""The form of an API key: `tunecurve_<public part>_<secret><checksum>`. Pure but for chance."""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "tunecurve"
_PUBLIC = string.ascii_lowercase + string.digits
_BASE62 = string.digits + string.ascii_letters
_PUBLIC_LENGTH = 10
_SECRET_LENGTH = 43  # 43 base62 digits hold 256 bits
_CHECKSUM_LENGTH = 6  # 6 base62 digits hold 32 bits
_FORM = re.compile(
    rf"{PREFIX}_([a-z0-9]{{{_PUBLIC_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
)


def new_secret() -> str:
    """Return a fresh secret of 256 bits."""
    public = "".join(secrets.choice(_PUBLIC) for _ in range(_PUBLIC_LENGTH))
    secret = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_LENGTH))
    body = f"{PREFIX}_{public}_{secret}"
    return body + _checksum(body)


def public_part(secret: str) -> str | None:
    """Return the part a key is looked up by, or None when the form or the checksum is wrong.

    The checksum reveals a mistyped key, or a false positive of a secret scanner, without a query
    of the database.
    """
    match = _FORM.fullmatch(secret)
    if match is None or not secret.endswith(_checksum(secret[:-_CHECKSUM_LENGTH])):
        return None
    return match[1]


def digest(secret: str) -> str:
    """Return what is stored: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits
