"""Lists and shows tunings that run, as Vertex AI's REST surface does; counts what it is asked."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PARENT = "projects/bench/locations/us-central1/tuningJobs"


class TuningServer:
    """Tunings 0 to `count` - 1, the newest (the highest number) listed first.

    While `is_down`, every request is answered 503. `calls` counts requests by get, list, refused.
    """

    def __init__(self, count: int) -> None:
        self.count, self.url = count, ""
        self.is_down = False
        self.ended: set[int] = set()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return status and body of a GET."""
        parts = urlsplit(path)
        name = parts.path.removeprefix("/v1/")
        is_list = name == PARENT
        with self._lock:
            self.calls["refused" if self.is_down else "list" if is_list else "get"] += 1
        if self.is_down:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE)
        if is_list:
            return HTTPStatus.OK, self._page(parse_qs(parts.query))
        number = name.removeprefix(f"{PARENT}/")
        if not number.isdecimal() or int(number) >= self.count:
            return _error(HTTPStatus.NOT_FOUND)
        return HTTPStatus.OK, self._tuning(int(number))

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        size = int(query.get("pageSize", ["100"])[0])
        start = int(query.get("pageToken", ["0"])[0] or 0)
        stop = min(start + size, self.count)
        page = [self._tuning(self.count - 1 - place) for place in range(start, stop)]
        return {"tuningJobs": page, "nextPageToken": str(stop) if stop < self.count else ""}

    def _tuning(self, number: int) -> dict[str, Any]:
        has_ended = number in self.ended
        tuning = {
            "name": f"{PARENT}/{number}",
            "tunedModelDisplayName": f"tuning {number}",
            "baseModel": "gemini-2.5-flash",
            "supervisedTuningSpec": {
                "trainingDatasetUri": f"gs://bench/{number}/train.jsonl",
                "hyperParameters": {"epochCount": "10", "learningRateMultiplier": 1},
            },
            "state": "JOB_STATE_SUCCEEDED" if has_ended else "JOB_STATE_RUNNING",
            "tuningJobState": "" if has_ended else "TUNING_JOB_STATE_TUNING",
            "createTime": "2026-01-01T00:00:00Z",
            "labels": {"team": "bench"},
        }
        if has_ended:
            made = PARENT.replace("tuningJobs", "models"), PARENT.replace("tuningJobs", "endpoints")
            tuning["tunedModel"] = {
                "model": f"{made[0]}/{number}@1",
                "endpoint": f"{made[1]}/{number}",
            }
        return tuning


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one write

    def __init__(self, tunings: TuningServer, *args: Any) -> None:
        self._tunings = tunings
        super().__init__(*args)

    def do_GET(self) -> None:
        status, reported = self._tunings.answer(self.path)
        body = json.dumps(reported).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Say nothing of a request."""


@contextmanager
def serve_tunings(count: int) -> Iterator[TuningServer]:
    """Yield a server of this process, at `url` while the block lasts."""
    tunings = TuningServer(count)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, tunings)) as server:
        tunings.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield tunings
        server.shutdown()


def _error(status: HTTPStatus) -> tuple[HTTPStatus, dict[str, Any]]:
    return status, {"error": {"code": status.value, "message": status.phrase}}
