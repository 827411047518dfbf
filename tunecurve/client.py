"""The Python client: every call of the HTTP API that a program needs, synchronous.

with Client("http://127.0.0.1:8765", key) as client:
    job = client.submit("experiment", spec)
    job = client.wait(job["id"])
"""

import base64
import hashlib
import itertools
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tunecurve.calls import Calls
from tunecurve.errors import ApiError, TunecurveError, UsageError, WaitTimeoutError
from tunecurve.transport import RETRIED_STATUSES, Transport

Json = dict[str, Any]
Params = Mapping[str, str | int | None]

TERMINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})
_PAGE_LIMIT = 100
_FIRST_PAUSES_SECONDS = (0.25, 0.5)
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
_OUTAGE_SECONDS = 60.0
_FIRST_ERROR = 400
_SERVER_ERRORS = 500  # and above, as proxies have their own, such as 520
_MEDIA_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
}


class Client(Calls):
    """One server and one key. Every call may raise ApiError or UnreachableError.

    Requests that a lost connection leaves in doubt are sent again only where a second one does
    no harm; submissions carry an Idempotency-Key for that.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_seconds: float = 30, retries: int = 4
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, key, timeout_seconds=timeout_seconds, retries=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # ------------------------------------------------------------ jobs

    def submit(  # noqa: PLR0913 - what a submission may hold
        self,
        kind: str,
        spec: Mapping[str, Any],
        *,
        labels: Mapping[str, str] | None = None,
        budget: str | None = None,
        plan: str | None = None,
        max_cost: str | None = None,
        approval: bool = False,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Submit a job and return it; with `dry_run` return its plan instead.

        `budget` is the most that it may spend with its children, in dollars such as `1.50`.
        `plan` is the `hash` of a dry run: the job is refused where its plan has changed since,
        and, with `max_cost`, where it may cost more. With `approval` it waits for `approve`.
        A second call with the same `idempotency_key` and the same job returns that job.
        """
        body: Json = {"kind": kind, "spec": dict(spec)}
        if labels:
            body["labels"] = dict(labels)
        if budget:
            body["budget"] = {"amount": budget, "currency": "USD"}
        bound = {"plan": plan, "max_cost": max_cost, "approval": approval or None}
        body |= {name: value for name, value in bound.items() if value is not None}
        return self._transport.json(
            "POST",
            "/v1/jobs",
            body=body,
            params={"dry_run": "true"} if dry_run else None,
            headers={"idempotency-key": idempotency_key or str(uuid.uuid4())},
        )

    def usage(self, *, first: str | None = None, last: str | None = None) -> Json:
        """Return what the project has used and paid, by UTC day and base model."""
        days = {"first": first, "last": last}
        given = {name: day for name, day in days.items() if day is not None}
        return self._transport.json("GET", "/v1/usage", params=given or None)

    def catalogue(self) -> Json:
        """Return what the server knows of base models, each fact with source and date."""
        return self._transport.json("GET", "/v1/models/catalogue")

    def retention(self) -> Json:
        """Return how long the server keeps each kind of data, and how much is older."""
        return self._transport.json("GET", "/v1/retention")

    def approve(self, identifier: str) -> Json:
        """Let a job run that was submitted with `approval`; a second call changes nothing."""
        return self._transport.json("POST", f"/v1/jobs/{identifier}/approve")

    def cancel(self, identifier: str) -> Json:
        """Ask for a job's cancellation; cancelling a cancelled job changes nothing."""
        return self._transport.json("POST", f"/v1/jobs/{identifier}/cancel")

    def wait(
        self,
        identifier: str,
        *,
        on_update: Callable[[Json], None] | None = None,
        timeout_seconds: float | None = None,
    ) -> Json:
        """Return the job once it has ended, in whichever state.

        `on_update` gets the job after every look and after the last. Looks are as far apart as
        the server asks (`Retry-After`), but for the first ones; a job that has not changed is not
        sent again.
        Raises WaitTimeoutError after `timeout_seconds`; the job keeps running. For a minute after
        the last answer a look may fail: the server, or a proxy before it, is perhaps restarted.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pauses = itertools.chain(_FIRST_PAUSES_SECONDS, itertools.repeat(_PAUSE_SECONDS))
        last_answer = -math.inf
        job: Json = {}
        etag: str | None = None
        while True:
            pause = next(pauses)
            try:
                seen = self._transport.poll(f"/v1/jobs/{identifier}", etag=etag)
                found = job if seen.found is None else seen.found
                if "state" not in found:
                    raise self._transport.odd_answer()
                job, etag = found, seen.etag
                pause = _pause(pause, seen.retry_seconds)
                if on_update is not None:
                    on_update(job)
            except TunecurveError as error:
                if not _may_pass(error) or time.monotonic() - last_answer > _OUTAGE_SECONDS:
                    raise
            else:
                last_answer = time.monotonic()
                if job["state"] in TERMINAL_STATES:
                    return job
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError(
                    f"{identifier} has not ended after {timeout_seconds:g} s; it keeps running"
                )
            time.sleep(pause)

    def events(
        self, *, job: str | None = None, after: int | None = None, page_limit: int = _PAGE_LIMIT
    ) -> Iterator[Json]:
        """Yield the events so far, oldest first, after the one numbered `after`."""
        filters = {"job": job, "after": after}
        return self._pages("/v1/events", filters, limit=page_limit)

    # ------------------------------------------------------------ any collection, files

    def upload(self, path: Path, *, name: str | None = None) -> Json:
        """Upload a data file as it is and return the file; the server checks its digest.

        Raises UsageError for a suffix that no data file has.
        """
        return self._transport.json(
            "POST",
            "/v1/files",
            params={"name": name or path.name},
            file=path,
            headers={"content-type": _media_type_of(path), "content-digest": _content_digest(path)},
            replayable=False,
        )

    def preview(self, file_id: str) -> Json:
        """Return what an uploaded file holds, estimated from its first rows."""
        return self._transport.json("GET", f"/v1/files/{file_id}/preview")

    def get(self, collection: str, identifier: str) -> Json:
        """Return one object of a collection, such as `get("experiments", "exp_…")`."""
        return self._transport.json("GET", f"/v1/{collection}/{identifier}")

    def list(
        self, collection: str, *, page_limit: int = _PAGE_LIMIT, **filters: str | int | None
    ) -> Iterator[Json]:
        """Yield the objects of a collection, fetched page by page.

        Filters are those of the API, for `jobs` state, kind, label and parent.
        """
        return self._pages(f"/v1/{collection}", filters, limit=page_limit)

    def delete(self, collection: str, identifier: str) -> None:
        """Delete a file, dataset, webhook or other object; revoke a key."""
        self._transport.json("DELETE", f"/v1/{collection}/{identifier}")

    def put_verdicts(self, evaluation: str, verdicts: Sequence[Mapping[str, Any]]) -> Json:
        """Say what people think of answers; return what the judge is worth beside it.

        A verdict has `example_id`, `verdict` (a grade, or `win`, `tie`, `lose`), perhaps `rater`.
        """
        body = {"data": [dict(each) for each in verdicts]}
        return self._transport.json("POST", f"/v1/evaluations/{evaluation}/verdicts", body=body)

    def verdicts(self, evaluation: str) -> Sequence[Json]:
        """Return what people said of an evaluation's answers, beside the judge's scores."""
        found = self._transport.json("GET", f"/v1/evaluations/{evaluation}/verdicts")
        return list(found["data"])

    # ------------------------------------------------------------ keys and the server itself

    def create_key(self, name: str, scopes: Sequence[str]) -> Json:
        """Make a key and return it with its secret, which is shown only this once."""
        body = {"name": name, "scopes": [*scopes]}
        return self._transport.json("POST", "/v1/keys", body=body, replayable=False)

    def me(self) -> Json:
        return self._transport.json("GET", "/v1/me")

    def ready(self) -> Json:
        """Return what `/readyz` says; raises ApiError while the server is not ready."""
        return self._transport.json("GET", "/readyz")

    # ------------------------------------------------------------

    def _pages(self, path: str, filters: Params, *, limit: int) -> Iterator[Json]:
        given = {name: value for name, value in filters.items() if value is not None}
        params: dict[str, str | int] | None = {**given, "limit": limit}
        following: str | None = path
        while following:
            page = self._transport.json("GET", following, params=params)
            if not isinstance(page.get("data"), list):
                raise self._transport.odd_answer()
            yield from page["data"]
            following, params = (
                page.get("next"),
                None,
            )  # the path of the next page holds the filters


def _pause(pause: float, asked: float | None) -> float:
    """Return the seconds until the next look: after the first ones those that the server asks."""
    if asked is None or pause < _PAUSE_SECONDS:
        return pause
    return min(asked, _LONGEST_PAUSE_SECONDS)


def _may_pass(error: TunecurveError) -> bool:
    """Return whether the same request may be answered later."""
    if not isinstance(error, ApiError):
        return True
    is_detour = error.status < _FIRST_ERROR  # to a page where one logs in
    return is_detour or error.status in RETRIED_STATUSES or error.status >= _SERVER_ERRORS


def _media_type_of(path: Path) -> str:
    """Return the media type by the file's suffix; raises UsageError naming the known ones."""
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        known = ", ".join(sorted(_MEDIA_TYPES))
        raise UsageError(f"{path} has no known suffix; known: {known}")
    return media_type


def _content_digest(path: Path) -> str:
    """Return the file's `Content-Digest` (RFC 9530), read once without holding it in memory."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
