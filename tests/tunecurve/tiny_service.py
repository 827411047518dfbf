"""A small HTTP server that speaks the documented shapes of the API, kept in memory."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.serving import serving

Json = dict[str, Any]

KEY = "tunecurve_0123456789_secret"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed


@dataclass
class Answer:
    """`cut` breaks the connection after half of the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def json_answer(status: int, body: Json, **headers: str) -> Answer:
    return Answer(
        status, json.dumps(body).encode(), {"content-type": "application/json", **headers}
    )


def problem(status: int, code: str, **more: Any) -> Answer:
    body = {"type": f"urn:tunecurve:{code}", "title": code, "code": code, "status": status, **more}
    headers = {"content-type": "application/problem+json"}
    return Answer(status, json.dumps(body).encode(), headers)


def new_job(number: int, kind: str = "prepare", **more: Any) -> Json:
    return {
        "object": "job",
        "id": f"job_{number:026d}",
        "kind": kind,
        "state": "queued",
        "reason": None,
        "outputs": {},
        "progress": {"done": 0, "total": None, "unit": "items", "stage": None},
        "error": None,
        "labels": {},
        "parent": None,
        "created_at": "2026-11-21T08:00:00Z",
        **more,
    }


class TinyService:
    """`objects` maps a path to what GET answers; a list of answers is worked off, the last stays.

    `next_answers` go before anything else, whatever is asked.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self.next_answers: list[Answer] = []
        self.objects: dict[str, Any] = {
            "/v1/me": {"project": "proj_1"},
            "/readyz": {"status": "ok"},
        }
        self.lists: dict[str, list[Json]] = {"/v1/jobs": [], "/v1/events": [], "/v1/keys": []}
        self.contents: dict[str, bytes] = {}
        self.submitted = new_job(1)

    def script(self, job: Json, *changes: Json) -> None:
        """Let the job show these changes, one at each look."""
        self.objects[f"/v1/jobs/{job['id']}"] = [{**job, **change} for change in changes]

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        if self.next_answers:
            return self.next_answers.pop(0)
        if seen.headers.get("authorization") != f"Bearer {KEY}" and seen.path != "/readyz":
            return problem(401, "unauthenticated", detail="the key is missing or wrong")
        match seen.method:
            case "POST":
                return self._post(seen)
            case "DELETE":
                return Answer(204, b"")
            case _:
                return self._get(seen)

    def _post(self, seen: Seen) -> Answer:
        if seen.path == "/v1/jobs" and seen.query.get("dry_run") == "true":
            return json_answer(200, {"object": "plan", "requests": 12})
        if seen.path == "/v1/jobs":
            self.submitted = {**self.submitted, "kind": seen.json()["kind"]}
            return json_answer(202, self.submitted)
        if seen.path == "/v1/files":
            return json_answer(201, {"object": "file", "id": f"file_{1:026d}"})
        if seen.path == "/v1/keys":
            return json_answer(201, {"id": f"key_{1:026d}", "secret": "tunecurve_new_secret"})
        return json_answer(202, {**self.submitted, "state": "cancelling"})

    def _get(self, seen: Seen) -> Answer:
        if seen.path in self.contents:
            return Answer(200, self.contents[f"{seen.path}"])
        if seen.path in self.lists:
            return json_answer(200, _page(seen.path, self.lists[seen.path], seen.query))
        found = self.objects.get(seen.path)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if found is None:
            return problem(404, "not_found", detail=f"there is no {seen.path}")
        return json_answer(200, found)


def _page(path: str, items: Sequence[Json], query: dict[str, str]) -> Json:
    matching = [item for item in items if _matches(item, query)]
    cursor = "seq" if items and "seq" in items[0] else "id"
    after = query.get("after")
    if after is not None:
        position = [str(item[cursor]) for item in matching].index(after)
        matching = matching[position + 1 :]
    limit = int(query.get("limit", "20"))
    page, has_more = matching[:limit], len(matching) > limit
    following = urlencode({**query, "after": page[-1][cursor]}) if has_more else ""
    next_page = f"{path}?{following}" if has_more else None
    return {"object": "list", "data": page, "has_more": has_more, "next": next_page}


def _matches(item: Json, query: dict[str, str]) -> bool:
    names = {"state", "kind", "parent", "job"} & query.keys()
    return all(item.get(name) == query[name] for name in names)


class _Handler(BaseHTTPRequestHandler):
    service: TinyService
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.service.answer(Seen(self.command, parts.path, query, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        self.close_connection = answer.cut

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the library's names

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def serve_tiny_service() -> Iterator[TinyService]:
    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = TinyService(f"http://127.0.0.1:{server.server_port}")
    Handler.service = service
    with serving(server):
        yield service
