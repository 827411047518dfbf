"""Tuning jobs over Vertex AI's REST surface: the published v1 types lack some fields, and Google's
client for them is slow to import.

`tuningJobState` and `tuningJobMetadata` are in the REST reference and in google-genai, and not in
`aiplatform_v1` 2.7.0, which drops what it does not know.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import google.auth
from google.api_core.exceptions import from_http_response
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from requests import Session

from service.catalogue.locations import endpoint_of
from service.impersonation import EMULATED, credentials_of
from service.inference.batches.vertex_calls import CALL_SECONDS, ENDED, call_vertex, require_project

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_FIRST_ERROR = 400
_PAGE = 100
_MOST_PAGES = 5  # open ones are among the newest, which are listed first


def open_rest_session(*, endpoint: str, account: str) -> AuthorizedSession:
    """Return a session of a service account, or with the process's own credentials, of which an
    emulator needs none.
    """
    session = AuthorizedSession(_credentials(endpoint, account))  # type: ignore[no-untyped-call]
    session.trust_env = False  # `_route` has read it
    return session


def _credentials(endpoint: str, account: str) -> Any:
    if account:
        return credentials_of(account, endpoint)
    if endpoint.startswith(EMULATED):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    credentials, _ = google.auth.default(scopes=_SCOPES)
    return credentials


def get_json(session: AuthorizedSession, url: str, *, params: Mapping[str, str | int]) -> Any:
    """Return the JSON object of one GET; raises GoogleAPICallError, ValueError where the answer is
    none, and what `requests` raises.
    """
    return _json_of(session, "GET", url, params=params, timeout=CALL_SECONDS)


def post_json(session: AuthorizedSession, url: str, body: Any, *, seconds: float) -> Any:
    """Return the JSON of one POST, which is sent once; raises what `get_json` raises."""
    return _json_of(session, "POST", url, json=body, timeout=seconds)


def _json_of(session: AuthorizedSession, method: str, url: str, **request: Any) -> Any:
    parts = urlsplit(url)
    route = _route(f"{parts.scheme}://{parts.netloc}")
    answer = session.request(method, url, **request, **route)  # type: ignore[no-untyped-call]
    if answer.status_code >= _FIRST_ERROR:
        raise from_http_response(answer)  # type: ignore[no-untyped-call]
    found = answer.json()
    if not isinstance(found, dict):
        message = "the answer is no JSON object"
        raise ValueError(message)  # noqa: TRY004  of its content, as of JSON that is none
    return found


@lru_cache(maxsize=256)
def _route(origin: str) -> Mapping[str, Any]:
    """Return the proxies and certificates that the environment sets for an origin, read once.

    `requests` reads all of the environment at every request: a third of the CPU of a poll.
    """
    with Session() as session:
        return session.merge_environment_settings(origin, {}, None, None, None)


def tuning_pages(
    read_page: Callable[[Mapping[str, str | int]], Mapping[str, Any]],
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield the pages of a list of tuning jobs, newest first; `read_page` takes its parameters."""
    token = ""
    while True:
        page = read_page({"pageSize": _PAGE, "pageToken": token})
        listed = page.get("tuningJobs")
        yield [job for job in listed if isinstance(job, dict)] if isinstance(listed, list) else ()
        token = str(page.get("nextPageToken") or "")
        if not token:
            return


class VertexOpenTunings:
    """The list of a project's tunings at one location; all count, not only ours."""

    def __init__(self, *, project: str, location: str, endpoint: str, account: str = "") -> None:
        """Raises Invalid `project_not_set`; `endpoint` is an emulator's, or empty for Google."""
        require_project(project, pays_for="tunings")
        host = endpoint_of(location, emulator=endpoint)
        self._url = f"{host}/v1/projects/{project}/locations/{location}/tuningJobs"
        self._endpoint, self._account = endpoint, account

    def count(self, *, most: int | None) -> int:
        count = 0
        for state in self._states(pages=1 if most is None else _MOST_PAGES):
            count += state not in ENDED
            if most is not None and count >= most:
                break
        return count

    def _states(self, *, pages: int) -> Iterator[str]:
        session = call_vertex(
            lambda: open_rest_session(endpoint=self._endpoint, account=self._account), missing=""
        )

        def read_page(params: Mapping[str, str | int]) -> Mapping[str, Any]:
            page: Mapping[str, Any] = call_vertex(
                lambda: get_json(session, self._url, params=params), missing="tunings_not_found"
            )
            return page

        for page in islice(tuning_pages(read_page), pages):
            yield from (str(job.get("state")) for job in page)
