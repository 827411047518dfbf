"""A reader in the storm: it exports evaluations, and leaves in the middle of some exports."""

import contextlib
import csv
import json
import random
import threading
from collections import Counter
from pathlib import Path

import httpx2

from service.storage.tables import read_parquet
from tunecurve.client import Client
from tunecurve.errors import ApiError, UnreachableError

_PAUSE_SECONDS = 0.5
_FORMATS = ("jsonl", "csv", "parquet")


class Reader:
    """Exports by how they ended. `half` are files that hold less than all rows: there is none."""

    def __init__(self, client: Client, *, url: str, secret: str, rows: int, folder: Path) -> None:
        self.ends: Counter[str] = Counter()
        self._client, self._rows, self._folder = client, rows, folder
        headers = {"Authorization": f"Bearer {secret}"}
        self._http = httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=15)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._draw = random.Random(0)  # noqa: S311  nothing secret

    def start(self) -> None:
        self._folder.mkdir()
        self._thread.start()

    def end(self) -> None:
        """Export no more; what was begun is not left behind."""
        self._over.set()
        self._thread.join()
        self._http.close()
        self.ends["left behind"] = sum(1 for _ in self._folder.iterdir())

    def _run(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            try:
                done = [
                    each["id"]
                    for each in self._client.list("evaluations", limit=5)
                    if each["state"] == "ready"
                ]
            except (ApiError, UnreachableError):
                continue
            if done:
                self._export(self._draw.choice(done))

    def _export(self, evaluation: str) -> None:
        content_format = self._draw.choice(_FORMATS)
        path = f"/v1/evaluations/{evaluation}/content"
        if self._draw.random() < 1 / 3:
            with contextlib.suppress(httpx2.HTTPError):
                asked = {"format": content_format}
                with self._http.stream("GET", path, params=asked) as answer:
                    next(answer.iter_raw(64), None)
                self.ends["left in the middle"] += 1
            return
        to = self._folder / f"export.{content_format}"
        try:
            self._client.content("evaluations", evaluation, content_format=content_format, to=to)
        except ApiError as error:
            self.ends[f"refused {error.status}"] += 1
        except UnreachableError:
            self.ends["unanswered"] += 1
        else:
            self.ends["whole" if _rows_of(to) == self._rows else "half"] += 1
            to.unlink()


def _rows_of(file: Path) -> int:
    if file.suffix == ".parquet":
        return sum(1 for _ in read_parquet(file))
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".csv":
        return sum(1 for _ in csv.DictReader(text.splitlines(keepends=True)))
    return sum(1 for line in text.split("\n") if line and json.loads(line))
