"""Identifiers: a prefix that names the kind and 26 characters that sort by time.

`<prefix>_<26 lower-case Crockford base32 digits of a UUIDv7>` (RFC 9562 §5.7).
"""

import secrets
import threading
import time
from datetime import datetime
from enum import StrEnum

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BODY_PATTERN = "[0-9a-hjkmnp-tv-z]{26}"


class Prefix(StrEnum):
    JOB = "job"
    FILE = "file"
    DATASET = "ds"
    MODEL = "model"
    TUNING_RUN = "tun"
    EVALUATION = "eval"
    EXPERIMENT = "exp"
    VARIANT = "var"
    EVENT = "evt"
    WEBHOOK = "wh"
    DELIVERY = "dlv"
    KEY = "key"
    PROJECT = "proj"
    ERASURE = "era"
    AUDIT_ENTRY = "aud"
    ALIAS_MOVE = "amv"


class _Sequence:
    """UUIDv7 values that rise within a process even inside one millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        milliseconds = time.time_ns() // 1_000_000
        drawn = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
        drawn |= 0b10 << 62 | secrets.randbits(61)
        with self._lock:
            self._last = drawn if drawn >> 80 > self._last >> 80 else self._last + 1
            return self._last


_sequence = _Sequence()


def new_id(prefix: Prefix) -> str:
    """Return a fresh id, such as `job_01jd5v…`; later ids sort after earlier ones."""
    value = _sequence.next()
    digits = [_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def is_older(identifier: str, moment: datetime) -> bool:
    """Return whether an id was made before a moment; True for what is no id of ours."""
    body = identifier.partition("_")[2]
    value = int(moment.timestamp() * 1000) << 80
    return body < "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def example_id(prefix: Prefix) -> str:
    """Return an id that shows the form, and was given to nothing."""
    return f"{prefix}_01jd5v3q8e7z2m4n6p8r0s2t4v"


def id_pattern(prefix: Prefix) -> str:
    """Return the anchored regular expression of ids of one kind."""
    return f"^{prefix}_{BODY_PATTERN}$"


ALIAS_PATTERN = "^[a-z0-9][a-z0-9_-]{0,62}@[a-z0-9][a-z0-9_-]{0,62}$"
MODEL_OR_ALIAS_PATTERN = f"{id_pattern(Prefix.MODEL)}|{ALIAS_PATTERN}"
