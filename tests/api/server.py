"""A real API server in a thread, and what a caller of it needs."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.http_server import server_config
from service.container import Container
from service.projects.operations import create_key, ensure_project
from service.projects.schemas import Scope
from service.settings import Settings
from tests.support.eventually import eventually
from tests.support.plain_http import NO_TLS

Json = dict[str, Any]

PREPARE: Json = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 150, "seed": 1},
    "train_sizes": [20, 40],
    "test_size": 30,
}


@dataclass
class Caller:
    """One key of one project."""

    http: httpx2.Client
    project_id: str
    secret: str

    def request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.secret}", **more.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        # the library's own encoding refuses the odd texts that some tests send
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return self.request("POST", path, content=content, headers=headers, **more)

    def patch(self, path: str, body: Any) -> httpx2.Response:
        return self.request("PATCH", path, json=body)

    def delete(self, path: str) -> httpx2.Response:
        return self.request("DELETE", path)

    def submit(self, kind: str, spec: Mapping[str, Any], **more: Any) -> Json:
        """Submit a job that is accepted."""
        answer = self.post("/v1/jobs", {"kind": kind, "spec": spec, **more})
        assert answer.status_code == 202, answer.text
        job: Json = answer.json()
        return job

    def upload(self, content: bytes, media_type: str = "text/csv", **more: Any) -> httpx2.Response:
        headers = {"Content-Type": media_type, **more.pop("headers", {})}
        return self.request("POST", "/v1/files", content=content, headers=headers, **more)


@dataclass
class Api:
    """A running server with its container, which tests use to be the worker."""

    url: str
    http: httpx2.Client
    app: FastAPI
    services: Container

    def caller(self, project: str = "default", *scopes: Scope) -> Caller:
        """Return a caller with a new key; all scopes unless some are named."""
        sessions = self.services.sessions
        project_id = ensure_project(project, sessions=sessions)
        key = create_key(project_id, name="test", scopes=scopes or Scope, sessions=sessions)
        return Caller(self.http, project_id, key.secret)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        """Send a request without any key."""
        return self.http.get(path, **more)


class _Server(uvicorn.Server):
    """Ends once it is told to and all have hung up: uvicorn looks and waits a tenth of a second."""

    loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._told, self.loop = asyncio.Event(), asyncio.get_running_loop()
        ticks = asyncio.create_task(super().main_loop())
        await self._told.wait()
        ticks.cancel()
        await asyncio.wait([ticks])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for _ in range(50):
            if not self.server_state.connections and not self.server_state.tasks:
                for server in self.servers:
                    server.close()
                await self.lifespan.shutdown()
                return
            await asyncio.sleep(0.002)
        await super().shutdown(sockets)

    def end(self) -> None:
        if self.loop:
            self.loop.call_soon_threadsafe(self._told.set)


@contextlib.contextmanager
def serve(settings: Settings) -> Iterator[Api]:
    """Yield an API on a port of its own; it stops with the block."""
    app = create_app(settings)
    server = _Server(server_config(app, settings, host="127.0.0.1", port=0, shutdown_seconds=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.loop, pause=0.005, what="the API has not started")
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with httpx2.Client(base_url=url, timeout=300, trust_env=False, verify=NO_TLS) as http:
            yield Api(url, http, app, app.state.container)
    finally:
        server.end()
        thread.join(300)
        assert not thread.is_alive(), "the API has not stopped"
