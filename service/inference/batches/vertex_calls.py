"""One call to Vertex AI through a `gapic` client: what it raises becomes our errors."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from google.api_core import exceptions as google_errors
from google.auth import exceptions as auth_errors
from google.auth.credentials import AnonymousCredentials
from google.protobuf.json_format import ParseError
from requests import Response

from service.catalogue.locations import endpoint_of
from service.errors import (
    UNREADABLE,
    Invalid,
    NotFound,
    ProviderRefused,
    RateLimited,
    TunecurveError,
    Unavailable,
)
from service.http_statuses import SERVER_ERROR, may_pass
from service.impersonation import EMULATED, ImpersonationError, credentials_of
from service.jobs.paid_operations.states import PROVIDER_CONFLICT, FoundOperation

Answer = TypeVar("Answer")

CALL_SECONDS = 30.0  # the clients have no timeout by default
_NAME_CHARACTERS = 500  # of a column
ENDED = frozenset(
    f"JOB_STATE_{name}"
    for name in ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED")
)


_HAS_READ = ENDED - {"JOB_STATE_FAILED"}


def require_project(project: str, *, pays_for: str) -> None:
    """Raise Invalid `project_not_set` where no project of Google Cloud is named."""
    if not project:
        message = f"set TUNECURVE_GOOGLE_CLOUD_PROJECT to the project that pays for {pays_for}"
        raise Invalid(message, code="project_not_set")


def call_vertex(call: Callable[[], Answer], *, missing: str) -> Answer:
    """Make one call and translate its error; `missing` is the code of a NotFound."""
    try:
        return call()
    except google_errors.GoogleAPICallError as error:
        raise _translated(error, missing) from error
    except (
        OSError,  # those of `requests`, and a wait that is over
        auth_errors.TransportError,
        google_errors.RetryError,
        ParseError,
    ) as error:
        message = f"Vertex AI did not answer: {type(error).__name__}"
        raise Unavailable(message, code="provider_unavailable") from error
    except ImpersonationError as error:
        raise ProviderRefused(str(error), code="impersonation_refused") from error
    except auth_errors.GoogleAuthError as error:
        message = "no Google credentials; run `gcloud auth application-default login`"
        raise ProviderRefused(message, code="provider_credentials") from error
    except UNREADABLE as error:
        message = f"Vertex AI's answer cannot be read: {type(error).__name__}"
        raise Unavailable(message, code="provider_unavailable") from error


def created_name(name: str, *, collection: str) -> str:
    """Return the name of what was created; an answer that names nothing leaves open what was."""
    form = rf"projects/[^/]+/locations/[^/]+/{collection}/[^/]+"
    if len(name) > _NAME_CHARACTERS or not re.fullmatch(form, name):
        message = f"Vertex AI's answer names none of its {collection}"
        raise Unavailable(message, code="provider_unavailable")
    return name


def require_answer_about(asked: str, answered: str) -> None:
    """Raise Unavailable where an answer is about another resource than was asked about: a project
    goes by its id and by its number, so kinds and ids are compared.
    """
    if asked.split("/")[-2:] != answered.split("/")[-2:]:
        message = f"Vertex AI's answer about {asked} is about another"
        raise Unavailable(message, code="provider_unavailable")


def open_client(kind: Callable[..., Any], location: str, *, endpoint: str, account: str) -> Any:
    """Return a REST client of a location; `endpoint` is an emulator's, or empty, `account` a
    service account to call as, or empty. Raises what google-auth does.
    """
    options: dict[str, Any] = {
        "transport": "rest",
        "client_options": {"api_endpoint": endpoint_of(location, emulator=endpoint)},
    }
    if account:
        options["credentials"] = credentials_of(account, endpoint)
    elif endpoint.startswith(EMULATED):
        options["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = kind(**options)
    session = client.transport._session  # noqa: SLF001  a gapic client hands over no other place
    session.hooks["response"].append(_require_object)
    return client


def _require_object(answer: Response, **_: Any) -> None:
    """Raise ValueError for an answer that is no JSON object: protocol buffers read an empty list
    or text as a message without members, such as a list that is empty.
    """
    if answer.ok and not answer.content.lstrip().startswith(b"{"):
        message = "the answer is no JSON object"
        raise ValueError(message)


def list_labelled(
    pager: Callable[[], Any],
    *,
    items: str,
    label: tuple[str, str],
    unread: Callable[[Any], str],
    missing: str,
) -> list[FoundOperation]:
    """Return the operations that carry a label, in the order of their creation.

    `unread` returns the address of the input of an open or failed one that shows no sign of having
    read it, else "".

    A list is read to its end without a filter: a server that ignored one, or an end that is none,
    would make us believe that there is nothing to adopt. Raises Unavailable where a page does not
    come, cannot be read, or comes again.
    """
    name, value = label
    jobs = call_vertex(lambda: list(whole_list(pager(), items)), missing=missing)
    ours = [job for job in jobs if job.labels.get(name) == value]
    return [
        FoundOperation(
            str(job.name),
            is_open=job.state.name not in ENDED,
            unread_input="" if job.state.name in _HAS_READ else unread(job),
        )
        for job in sorted(ours, key=lambda job: (str(job.create_time), job.name))
    ]


def whole_list(pager: Any, items: str) -> Iterator[Any]:
    """Yield all that a list names; raises Unavailable where a page comes again or an entry, such
    as one that is no object, has no name.
    """
    tokens: set[str] = set()
    names: set[str] = set()
    for page in pager.pages:
        jobs = list(getattr(page, items))
        repeats = bool(jobs) and names.issuperset(job.name for job in jobs)
        if repeats or page.next_page_token in tokens or not all(job.name for job in jobs):
            message = "Vertex AI's list repeats itself or names nothing: its end was not read"
            raise Unavailable(message, code="provider_list_incomplete")
        tokens.add(page.next_page_token)
        names.update(job.name for job in jobs)
        yield from jobs


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


# Google's REST clients begin with the request: an address, perhaps of an emulator or a proxy.
_REQUEST = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE) https?://\S+: ")


def words_without_quotes(message: str) -> str:
    """Return a provider's message without its address, and without what it may quote of the
    user's rows. Pure.

    Quoted text, JSON, and what follows a colon behind a row, line, example or prompt become `…`;
    the names of the provider's own resources stay.
    """
    unquoted = _QUOTES.sub(_unless_resource, _REQUEST.sub("", message))
    return " ".join(_ROW.sub(r"\1: …", unquoted).split())[:500]


def _unless_resource(quoted: re.Match[str]) -> str:
    return quoted[0] if _RESOURCE.fullmatch(quoted[0]) else "…"


def cancel_vertex(cancel: Callable[..., Any], resource_name: str, *, missing: str) -> None:
    """Ask to stop an operation once; one that has ended already (400) stays as it is."""
    try:
        call_vertex(
            lambda: cancel(name=resource_name, timeout=CALL_SECONDS, retry=None), missing=missing
        )
    except Invalid as error:
        if not isinstance(error.__cause__, google_errors.BadRequest):
            raise


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
        case google_errors.Conflict():  # perhaps with itself: it may have been carried out
            return Unavailable(f"Vertex AI: {words}", code=PROVIDER_CONFLICT)
        case _ if not may_pass(int(error.code or SERVER_ERROR)):
            return Invalid(f"Vertex AI: {words}", code="provider_refused")
        case _:  # whether the request was carried out is open
            return Unavailable(f"Vertex AI: {words}", code="provider_unavailable")
