"""What the provider was asked, counted outside of it: the emulator's own counts die with it."""

import asyncio
import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping

import aiohttp
from aiohttp import web

_CALL = ":generateContent"
_OWN = {"host", "connection", "content-length", "transfer-encoding", "date", "server"}


class CallRecord:
    """A proxy before `upstream` that counts the calls that were answered, and those again."""

    def __init__(self) -> None:
        self.upstream = self.url = ""
        self._answered: Counter[bytes] = Counter()

    @property
    def answered(self) -> int:
        return self._answered.total()

    @property
    def repeated(self) -> int:
        return self.answered - len(self._answered)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Do what the caller asks, even when it has gone meanwhile; break off as upstream does."""
        body = await request.read()
        try:
            async with request.app[_SESSION].request(
                request.method,
                f"{self.upstream}{request.raw_path}",
                data=body,
                headers=_kept(request.headers),
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientError:
            if request.transport:
                request.transport.abort()
            return web.Response(status=502)  # to no receiver
        if answer.ok and request.path.endswith(_CALL):
            self._answered[hashlib.sha256(request.raw_path.encode() + body).digest()] += 1
        return web.Response(status=answer.status, body=content, headers=_kept(answer.headers))


_SESSION = web.AppKey("session", aiohttp.ClientSession)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return all but what belongs to one connection."""
    return {name: value for name, value in headers.items() if name.lower() not in _OWN}


async def _serve(record: CallRecord, started: threading.Event, ended: asyncio.Event) -> None:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", record.forward)
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app[_SESSION] = session
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        record.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await ended.wait()
        await runner.cleanup()


@contextlib.contextmanager
def start_call_record() -> Iterator[CallRecord]:
    """Yield a proxy that serves; its `upstream` is set before it is asked."""
    record, started = CallRecord(), threading.Event()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(_serve(record, started, ended)), daemon=True
    )
    thread.start()
    started.wait()
    try:
        yield record
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
