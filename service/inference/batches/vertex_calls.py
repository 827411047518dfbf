"""One call to Vertex AI through a `gapic` client: what it raises becomes our errors."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import requests
from google.api_core import exceptions as google_errors
from google.auth import exceptions as auth_errors

from service.errors import (
    Invalid,
    NotFound,
    ProviderRefused,
    RateLimited,
    TunecurveError,
    Unavailable,
)

Answer = TypeVar("Answer")

CALL_SECONDS = 30.0  # the clients have no timeout by default


def call_vertex(call: Callable[[], Answer], *, missing: str) -> Answer:
    """Make one call and translate its error; `missing` is the code of a NotFound."""
    try:
        return call()
    except google_errors.GoogleAPICallError as error:
        raise _translated(error, missing) from error
    except (
        requests.RequestException,
        auth_errors.TransportError,
        google_errors.RetryError,
    ) as error:
        message = f"Vertex AI did not answer: {type(error).__name__}"
        raise Unavailable(message, code="provider_unavailable") from error
    except auth_errors.GoogleAuthError as error:
        message = "no Google credentials; run `gcloud auth application-default login`"
        raise ProviderRefused(message, code="provider_credentials") from error


_QUOTES = re.compile(
    r"\"[^\"]*(?:\"|$)|\u201c[^\u201d]*(?:\u201d|$)|`[^`]*(?:`|$)|(?<!\w)'[^']*(?:'(?!\w)|$)"
    r"|\{.*(?:\}|$)|\[(?!\d+\]).*(?:\]|$)",
    re.DOTALL,
)
_RESOURCE = re.compile(r".?(?:projects|publishers)/[\w./@:-]+.?")
# What follows the number of a row may be the row: only a colon and short words of ours may stand.
_ROW = re.compile(
    r"(\b(?:row|line|example|instance|record|content|prompt|text)s?\b[ #]*\d*)[:=].*",
    re.DOTALL | re.IGNORECASE,
)


def words_without_quotes(message: str) -> str:
    """Return a provider's message without what it may quote of the user's rows. Pure.

    Quoted text, JSON, and what follows a colon behind a row, line, example or prompt become `…`;
    the names of the provider's own resources stay.
    """
    return " ".join(_ROW.sub(r"\1: …", _QUOTES.sub(_unless_resource, message)).split())[:500]


def _unless_resource(quoted: re.Match[str]) -> str:
    return quoted[0] if _RESOURCE.fullmatch(quoted[0]) else "…"


def delete_vertex(delete: Callable[..., Any], resource_name: str, *, missing: str) -> None:
    """Delete a resource by a long-running operation, and wait for it; one that is gone is fine."""
    with suppress(NotFound):
        call_vertex(
            lambda: delete(name=resource_name, timeout=CALL_SECONDS, retry=None).result(
                timeout=CALL_SECONDS
            ),
            missing=missing,
        )


def _translated(error: google_errors.GoogleAPICallError, missing: str) -> TunecurveError:
    words = words_without_quotes(str(error.message))
    match error:
        case google_errors.TooManyRequests():
            return RateLimited(f"Vertex AI: {words}", code="provider_quota")
        case google_errors.NotFound():
            return NotFound(f"Vertex AI: {words}", code=missing)
        case google_errors.Forbidden() | google_errors.Unauthorized():
            return ProviderRefused(f"Vertex AI: {words}")
        case google_errors.BadRequest() | google_errors.MethodNotAllowed():
            return Invalid(f"Vertex AI: {words}", code="provider_refused")
        case _:  # 409, 499 and the rest leave open whether the request was carried out
            return Unavailable(f"Vertex AI: {words}", code="provider_unavailable")
