"""The server's side of the training worker: start it, give it one task at a time, kill it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_LONGEST_LINE_BYTES = 1 << 28
_ROOT = Path(__file__).resolve().parents[2]

Reply = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """Paths of the JSONL files, what to learn with, and where to write the model after an epoch.

    `earlier` are files learned before, oldest first, by a model that had `epochs_before` passes.
    `pairs`: rows have a chosen and a rejected answer, and `beta` is used.
    """

    training: str
    validation: str | None
    models: dict[int, str]
    epochs: int
    learning_rate_multiplier: float
    seed: int
    earlier: list[str] = field(default_factory=list)
    epochs_before: int = 0
    pairs: bool = False
    beta: float = 0.1


class Trainer:
    """One worker process for all tunings: starting it costs about a second of imports."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def train(self, task: TrainingTask, *, report: Callable[[Reply], None]) -> Reply:
        """Carry out the task and return its last reply; earlier ones go to `report`.

        The reply's `outcome` is `learned` or `failed`. When the caller is cancelled, or the process
        dies, the process is gone afterwards and the next task starts a new one.
        """
        try:
            process = await self._started()
            stdin, stdout = process.stdin, process.stdout
            if stdin is None or stdout is None:
                raise BrokenPipeError
            stdin.write(json.dumps(asdict(task)).encode() + b"\n")
            await stdin.drain()
            return await _last_reply(stdout, report)
        except (OSError, EOFError, ValueError):
            self.kill()
            return {"outcome": "failed", "code": 13, "message": "The training process died."}
        except asyncio.CancelledError:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "emulator.tuning.training_worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                limit=_LONGEST_LINE_BYTES,
            )
        return self._process


async def _last_reply(stdout: asyncio.StreamReader, report: Callable[[Reply], None]) -> Reply:
    while True:
        line = await stdout.readline()
        if not line:
            raise EOFError
        reply: Reply = json.loads(line)
        if reply["outcome"]:
            return reply
        report(reply)
