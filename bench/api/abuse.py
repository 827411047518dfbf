"""How long others wait for `/healthz` while one client does its worst, and what memory that takes.

Starts an API of its own on SQLite. Prints a table; ends with 1 when one answer takes a second.
Run it as `python -m bench.api.abuse`.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0
LIMIT_SECONDS = 1.0
HEADERS = b"X-Short: 1\r\n" * 5000
UPLOADS, HALF_SENT, HEADER_BYTES, REQUESTS_PER_SECOND = 41, 300, 60_000_000, 1000


@dataclass
class Server:
    port: int
    key: str
    process: psutil.Process


@dataclass
class Watch:
    """Asks for `/healthz` on new connections until stopped."""

    server: Server
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            started = time.monotonic()
            connection = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            connection.request("GET", "/healthz")
            if connection.getresponse().status != HTTPStatus.OK:
                raise SystemExit("/healthz is refused")
            connection.close()
            self.seconds.append(time.monotonic() - started)
            self.peak_bytes = max(self.peak_bytes, self.server.process.memory_info().rss)


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        env = {
            **os.environ,  # noqa: TID251  a program of its own
            "TUNECURVE_DATA_DIR": folder,
            "TUNECURVE_REDIS_URL": "unix:///none",
        }
        api = [sys.executable, "-m", "api"]
        migrated = subprocess.run(  # noqa: S603  our own module
            [*api, "migrate"], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        process = subprocess.Popen(  # noqa: S603  our own module
            [*api, "serve", "--port", str(port)], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
        )
        try:
            _await(port)
            key = migrated.stdout.partition("key: ")[2].split()[0]
            yield Server(port, key, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


def _await(port: int) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)


async def slow_uploads(server: Server) -> str:
    """Send 41 uploads of one byte every half second, with one key."""
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
        "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n"
    )

    async def upload() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode())
        for _ in range(int(SECONDS * 2)):
            writer.write(b"x")
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(reader.read(15), 0.5)
        writer.close()
        return b"open"

    ends = await asyncio.gather(*(upload() for _ in range(UPLOADS)))
    return f"{ends.count(b'open')} stay open, {len(ends) - ends.count(b'open')} refused"


async def half_sent_requests(server: Server) -> str:
    """Keep 300 connections open that have sent half a request."""
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(HALF_SENT)]
    for _, writer in opened:
        writer.write(b"GET /v1/jobs HTTP/1.1\r\nHos")
    await asyncio.sleep(SECONDS + 2)
    answers = await asyncio.gather(*(_read_within(reader, 1.0) for reader, _ in opened))
    ended = sum(answer is not None for answer in answers)
    return f"{ended} of {HALF_SENT} ended by the server"


async def _read_within(reader: asyncio.StreamReader, seconds: float) -> bytes | None:
    """Return what the server sent, empty where it closed; None where it did neither."""
    try:
        return await asyncio.wait_for(reader.read(100), seconds)
    except TimeoutError:
        return None


async def long_head(server: Server) -> str:
    """Send up to 60 MB of short headers on each of 8 connections, again and again."""
    end = time.monotonic() + SECONDS
    sent: list[int] = []

    async def send() -> None:
        while time.monotonic() < end:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            size = 0
            with contextlib.suppress(ConnectionError):
                while size < HEADER_BYTES:
                    writer.write(HEADERS)
                    await writer.drain()
                    size += len(HEADERS)
            sent.append(size)
            writer.close()

    await asyncio.gather(*(send() for _ in range(8)))
    return f"{len(sent)} connections cut off after {max(sent) / 1e6:.1f} MB at most"


async def flood(server: Server) -> str:
    """Send 1,000 requests a second with one key, over 50 connections."""
    statuses: dict[str, int] = {}
    request = (
        f"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    ).encode()
    end, lanes = time.monotonic() + SECONDS, 50

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        due = time.monotonic()
        while due < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
            statuses[head[9:12]] = statuses.get(head[9:12], 0) + 1
            due += lanes / REQUESTS_PER_SECOND
            await asyncio.sleep(max(0, due - time.monotonic()))
        writer.close()

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


ATTACKS: dict[str, Callable[[Server], Awaitable[str]]] = {
    "nothing": lambda _: asyncio.sleep(SECONDS, ""),
    "41 slow uploads": slow_uploads,
    "300 half-sent requests": half_sent_requests,
    "8 x 60 MB of headers": long_head,
    "1,000 requests a second": flood,
}


async def _carry_out(attack: Callable[[Server], Awaitable[str]], server: Server) -> str:
    return await attack(server)


def main() -> int:
    slowest = 0.0
    print("| attack | /healthz median | longest | asked | memory of the API | outcome |")
    print("|---|---|---|---|---|---|")
    for name, attack in ATTACKS.items():
        with running_server() as server:
            watch = Watch(server)
            thread = threading.Thread(target=watch.run)
            thread.start()
            with asyncio.Runner() as runner:
                outcome = runner.run(_carry_out(attack, server))
            watch.stopped.set()
            thread.join()
        times = sorted(watch.seconds)
        slowest = max(slowest, times[-1])
        print(
            f"| {name} | {times[len(times) // 2] * 1000:.0f} ms | {times[-1] * 1000:.0f} ms "
            f"| {len(times)} | {watch.peak_bytes / 1e6:.0f} MB | {outcome} |",
            flush=True,
        )
    return int(slowest > LIMIT_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
