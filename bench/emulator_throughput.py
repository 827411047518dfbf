"""How many generateContent calls a second the emulator accepts when its model does no work.

    .venv/bin/python bench/emulator_throughput.py [--seconds 10] [--json FILE]

The same raw keep-alive client first loads a bare Starlette route that answers a constant, served by
the same uvicorn, then the emulator (`answer: constant`, latency 0; parsing, quota and ledger stay).
On a busy machine compare the CPU milliseconds a call costs the server, not the calls a second.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import psutil

ROOT = Path(__file__).resolve().parents[1]
MODEL = "/v1/projects/lab/locations/global/publishers/google/models/gemini-3.1-flash-lite"
CONNECTIONS = 32
BAR = 2000
PROMPT = "Classify the text as positive or negative.\n\nText: a wonderful and happy day {}"
BARE = """
import json, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
ANSWER = json.loads(sys.argv[1])
async def answer(request):
    return JSONResponse(ANSWER)
app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"listening on http://127.0.0.1:{port}", flush=True)
Server(config).run()
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did: calls answered 200 a second, and its CPU milliseconds for each."""

    calls_per_second: float
    server_cpu_ms: float
    refused: int


def main() -> None:
    options = _options()
    emulator_command = [sys.executable, "-m", "emulator", "--answer", "constant"]
    with serve(emulator_command) as (process, url):
        sample = json.loads(_post_once(url))
        emulator = measure(process, url, seconds=options.seconds)
        accepted = json.loads(urlopen(f"{url}/_emulator/ledger").read())["calls_accepted"]  # noqa: S310  our own server
    with serve([sys.executable, "-c", BARE, json.dumps(sample)]) as (process, url):
        bare = measure(process, url, seconds=options.seconds)
    ratio = bare.server_cpu_ms / emulator.server_cpu_ms
    print_table({"bare Starlette route": bare, "emulator, constant answer": emulator})
    print(
        f"\naccepted by the ledger: {accepted}; the emulator runs at {ratio:.2f} of the bare route"
    )
    print(f"bar: {BAR} calls/s, {'met' if emulator.calls_per_second >= BAR else 'MISSED'}")
    print(f"one core at that cost: {1000 / emulator.server_cpu_ms:.0f} calls/s")
    if options.json:
        found = {"bare": asdict(bare), "emulator": asdict(emulator), "ratio": ratio, "bar": BAR}
        options.json.write_text(json.dumps(found, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def serve(command: list[str]) -> Iterator[tuple[psutil.Process, str]]:
    """Run a server that prints its address as the last word of its first line."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own servers
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield psutil.Process(process.pid), line.split()[-1]
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def measure(process: psutil.Process, url: str, *, seconds: float) -> Load:
    _run(url, seconds=1)
    before, started = _cpu_seconds(process), time.perf_counter()
    answered, refused = _run(url, seconds=seconds)
    wall = time.perf_counter() - started
    cpu_ms = 1000 * (_cpu_seconds(process) - before) / max(1, answered)
    return Load(answered / wall, cpu_ms, refused)


def _run(url: str, *, seconds: float) -> tuple[int, int]:
    return asyncio.run(_load(url, seconds=seconds))  # noqa: TID251  a client of its own


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _load(url: str, *, seconds: float) -> tuple[int, int]:
    deadline = time.perf_counter() + seconds
    host, _, port = url.removeprefix("http://").rpartition(":")
    workers = [_call_until(deadline, host, int(port), at) for at in range(CONNECTIONS)]
    counts = await asyncio.gather(*workers)
    return sum(good for good, _ in counts), sum(bad for _, bad in counts)


async def _call_until(deadline: float, host: str, port: int, worker: int) -> tuple[int, int]:
    """Send one call after another over one connection; no HTTP library, which would cost more."""
    reader, writer = await asyncio.open_connection(host, port)
    good = bad = 0
    while time.perf_counter() < deadline:
        writer.write(_request(f"{worker}-{good}"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        is_good = head.startswith(b"HTTP/1.1 200")
        good, bad = good + is_good, bad + (not is_good)
    writer.close()
    return good, bad


def _request(mark: str) -> bytes:
    body = _body(mark)
    head = f"POST {MODEL}:generateContent HTTP/1.1\r\nHost: localhost\r\n"
    kind = "Content-Type: application/json\r\n"
    return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _body(mark: str) -> bytes:
    contents = [{"role": "user", "parts": [{"text": PROMPT.format(mark)}]}]
    config = {"temperature": 0, "maxOutputTokens": 64, "thinkingConfig": {"thinkingBudget": 0}}
    return json.dumps({"contents": contents, "generationConfig": config}).encode()


def _post_once(url: str) -> bytes:
    request = Request(f"{url}{MODEL}:generateContent", data=_body("first"))  # noqa: S310  our own server
    with urlopen(request) as response:  # noqa: S310
        return bytes(response.read())


def print_table(loads: dict[str, Load]) -> None:
    print(f"{'server':<28}{'calls/s':>10}{'CPU ms/call':>14}{'refused':>10}")
    for name, load in loads.items():
        print(
            f"{name:<28}{load.calls_per_second:>10.0f}{load.server_cpu_ms:>14.3f}{load.refused:>10}"
        )


if __name__ == "__main__":
    main()
