"""The named baselines, each in a process of its own: how teams call Gemini today.

    python bench/inference/baseline_clients.py NAME --url URL --prompts FILE
        [--requests-per-minute N] [--cache FILE]

Prints `ready` once all is imported, begins at a line of input, and prints one line of JSON:
seconds, lost rows, CPU milliseconds a row and peak memory. They get the quota where they have a
knob for it, and 64 calls at once, as the measured peers did.
"""

import argparse
import asyncio
import json
import logging
import resource
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

MODEL = "gemini-3.1-flash-lite"
AT_ONCE = 64
ARTICLE_THREADS = 4
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Run:
    """What one baseline took."""

    seconds: float
    lost: int
    cpu_ms_per_row: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Task:
    """`requests_per_minute` is the quota that the baseline knows; 0 is unknown.

    `cache` is where one with a cache stores its answers.
    """

    url: str
    prompts: Sequence[str]
    requests_per_minute: float
    cache: Path | None = None


def gather(task: Task) -> int:
    """asyncio.gather, a semaphore of 64 and tenacity on google-genai; returns the rows lost."""
    return asyncio.run(_gather(task))  # noqa: TID251  a program of its own


async def _gather(task: Task) -> int:
    from google.genai.errors import APIError
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    client, semaphore = _client(task.url), asyncio.Semaphore(AT_ONCE)

    @retry(wait=wait_random_exponential(max=10), stop=stop_after_attempt(ATTEMPTS), reraise=True)
    async def ask(prompt: str) -> None:
        await client.aio.models.generate_content(model=MODEL, contents=prompt)

    async def row(prompt: str) -> int:
        async with semaphore:
            try:
                await ask(prompt)
            except APIError:
                return 1
            return 0

    return sum(await asyncio.gather(*map(row, task.prompts)))


def cached(task: Task) -> int:
    """As `gather`, for the prompts that a table in SQLite has no answer to; returns rows lost."""
    with sqlite3.connect(task.cache or ":memory:") as store:
        store.execute("CREATE TABLE IF NOT EXISTS answer (prompt TEXT PRIMARY KEY)")
        query = "SELECT 1 FROM answer WHERE prompt = ?"
        unknown = [each for each in task.prompts if not store.execute(query, [each]).fetchone()]
        lost = gather(replace(task, prompts=unknown)) if unknown else 0
        store.executemany("INSERT INTO answer VALUES (?)", [[prompt] for prompt in unknown])
    return lost


def threads(task: Task) -> int:
    """The article's loop: four threads on google-genai, no retry; returns the rows lost."""
    from google.genai.errors import APIError

    client = _client(task.url)

    def row(prompt: str) -> int:
        try:
            client.models.generate_content(model=MODEL, contents=prompt)
        except APIError:
            return 1
        return 0

    with ThreadPoolExecutor(ARTICLE_THREADS) as pool:
        return sum(pool.map(row, task.prompts))


def langchain(task: Task) -> int:
    """LangChain's abatch with its in-memory rate limiter; returns the rows lost."""
    return asyncio.run(_langchain(task))  # noqa: TID251  a program of its own


async def _langchain(task: Task) -> int:
    from langchain_core.rate_limiters import InMemoryRateLimiter
    from langchain_google_genai import ChatGoogleGenerativeAI

    per_second = (task.requests_per_minute or 60_000) / 60
    limiter = InMemoryRateLimiter(
        requests_per_second=per_second,
        check_every_n_seconds=min(0.1, 0.5 / per_second),
        max_bucket_size=per_second,
    )
    model = ChatGoogleGenerativeAI(
        model=MODEL,
        vertexai=True,
        project="bench",
        location="global",
        credentials=_credentials(),
        base_url=task.url,
        rate_limiter=limiter,
        max_retries=ATTEMPTS,
    )
    chosen: Any = {"max_concurrency": AT_ONCE}
    answers = await model.abatch(list(task.prompts), config=chosen, return_exceptions=True)
    return sum(isinstance(answer, BaseException) for answer in answers)


ALTERNATIVES: dict[str, Callable[[Task], int]] = {
    "gather": gather,
    "cached": cached,
    "threads": threads,
    "langchain": langchain,
}


def _credentials() -> Any:
    from google.oauth2.credentials import Credentials

    made: Any = Credentials
    return made(token="emulator")  # noqa: S106  the emulator takes any


def _client(url: str) -> Any:
    from google.genai import Client
    from google.genai.types import HttpOptions

    return Client(
        vertexai=True,
        project="bench",
        location="global",
        credentials=_credentials(),
        http_options=HttpOptions(base_url=url, api_version="v1"),
    )


def main() -> None:
    """Run one baseline and print what it took."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(ALTERNATIVES))
    parser.add_argument("--url", required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="a JSON list of strings")
    parser.add_argument("--requests-per-minute", type=float, default=0)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    prompts = json.loads(options.prompts.read_text())
    task = Task(options.url, prompts, options.requests_per_minute, options.cache)
    _import_all()
    print("ready", flush=True)
    sys.stdin.readline()  # the word to begin
    began, cpu = time.monotonic(), _cpu_seconds()
    lost = ALTERNATIVES[options.name](task)
    seconds, cpu = time.monotonic() - began, _cpu_seconds() - cpu
    run = Run(seconds, lost, 1000 * cpu / len(prompts), _peak_mb())
    sys.stdout.write(json.dumps(asdict(run)) + "\n")


def _import_all() -> None:
    """Imports take seconds and are not part of the calls."""
    import google.genai  # noqa: F401
    import langchain_google_genai  # noqa: F401
    import tenacity  # noqa: F401


def _peak_mb() -> float:
    """Return the peak of this program; `ru_maxrss` begins at what its parent held at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
