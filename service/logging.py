"""Logs: one JSON object or one coloured line an event, never prompts, outputs or secrets."""

import contextlib
import logging as stdlib_logging
import re
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRETS = re.compile(
    r"tunecurve_[a-z0-9]{10}_\w+|whsec_[\w+/=]+|ya29\.[\w.-]+|-----BEGIN [A-Z ]+-----",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SECRET_KEYS = frozenset({"authorization", "secret", "password", "token", "api_key", "master_key"})
# One line a call or a task, or addresses with signatures in them.
_CHATTY = (
    "aiohttp",
    "alembic",
    "celery.app.trace",
    "celery.worker.strategy",
    "google",
    "httpcore2",
    "httpx2",
    "urllib3",
    "uvicorn.access",
)


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "[redacted]"
        elif isinstance(value, str):
            event[key] = _SECRETS.sub("[redacted]", value)
    return event


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what moves the cursor, colours or reverses text: no value may forge a line."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], value)
    return event


class _Tolerant:
    """A text stream whose faults, such as a full disk or a closed pipe, end no work."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()


def configure_logging(*, log_format: str, level: str) -> None:
    """Send structlog and the standard library's loggers to standard error. May be called again."""
    number = stdlib_logging.getLevelNamesMapping()[level.upper()]
    stream = cast("TextIO", _Tolerant(sys.stderr))
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    if log_format == "console":  # JSON escapes by itself
        shared.append(_printable)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=bool(sys.stderr and sys.stderr.isatty()))
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = stdlib_logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = stdlib_logging.root
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _CHATTY:
        stdlib_logging.getLogger(name).setLevel(max(number, stdlib_logging.WARNING))
