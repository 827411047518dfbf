"""A small Hugging Face hub on loopback: what its two routes answer, and what was asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.serving import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LoopbackHub:
    """`files` are those of every dataset; `redirects` send a file's reader elsewhere."""

    def __init__(self, files: Mapping[str, bytes], *, redirects: Mapping[str, str]) -> None:
        self.files = files
        self.redirects = redirects
        self.commit = COMMIT
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path == f"/api/datasets/someone/rows/revision/{COMMIT}":
            names = [{"rfilename": name} for name in self.files]
            return 200, {}, json.dumps({"sha": self.commit, "siblings": names}).encode()
        name = path.partition(f"/datasets/someone/rows/resolve/{COMMIT}/")[2]
        if name in self.redirects:
            return 302, {"location": self.redirects[name]}, b""
        if name in self.files:
            return 200, {}, self.files[name]
        if path.startswith("/elsewhere/"):
            return 200, {}, self.files[path.removeprefix("/elsewhere/")]
        return 404, {}, b"{}"


@contextmanager
def loopback_hub(
    files: Mapping[str, bytes], *, redirects: Mapping[str, str] | None = None
) -> Iterator[LoopbackHub]:
    hub = LoopbackHub(files, redirects=redirects or {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.headers.append(dict(self.headers.items()))
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield hub
