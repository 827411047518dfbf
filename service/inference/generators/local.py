"""Models on this machine behind the port of generators: calls that wait are answered in batches."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from service.catalogue.local_names import bare_name
from service.inference.governors import LOCAL_BATCH
from service.inference.local.folders import LocalExtraMissing, LocalModels
from service.inference.ports import Generation, GenerationRequest

_TUNED = "projects/"  # what the key of a tuned model begins with


class LocalGenerator:
    """One model at a time, loaded at the first call to it; the next one takes its place.

    A call raises what loading raises: that ends the run, as every other call would.
    """

    def __init__(self, models: LocalModels) -> None:
        self._models = models
        self._waiting: list[tuple[GenerationRequest, asyncio.Future[Generation]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._lock = threading.Lock()  # runs of one process share the machine's memory
        self._name, self._loaded = "", None

    async def generate(self, request: GenerationRequest) -> Generation:
        answer: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def stream(
        self, request: GenerationRequest, *, emit: Callable[[str], object]
    ) -> Generation:
        """Emit the text of an answer while it is written, apart from all batches."""
        return await asyncio.to_thread(self._stream, request, emit)

    async def close(self) -> None:
        """Forget the model; the next call loads it again."""
        self._name, self._loaded = "", None

    async def _work(self) -> None:
        await asyncio.sleep(0)  # calls that start together are one batch
        while self._waiting:
            calls = self._next_batch()
            try:
                answers = await asyncio.to_thread(self._answer, [call for call, _ in calls])
            except Exception as error:  # noqa: BLE001  whatever it is, the callers get it
                for _, answer in calls:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), generation in zip(calls, answers, strict=True):
                if not answer.done():
                    answer.set_result(generation)

    def _next_batch(self) -> list[tuple[GenerationRequest, asyncio.Future[Generation]]]:
        """Take the first call that still waits and others like it."""
        waiting = [each for each in self._waiting if not each[1].done()]
        first = waiting[0][0] if waiting else None
        like = [each for each in waiting if first and _batch_key(each[0]) == _batch_key(first)]
        batch = like[:LOCAL_BATCH]
        taken = {id(answer) for _, answer in batch}
        self._waiting = [each for each in waiting if id(each[1]) not in taken]
        return batch

    def _answer(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        if not requests:
            return []
        try:
            from service.inference.local.answers import answer_batch
        except ImportError as error:
            raise LocalExtraMissing from error
        with self._lock:
            return answer_batch(self._load(requests[0].target), requests)

    def _stream(self, request: GenerationRequest, emit: Callable[[str], object]) -> Generation:
        try:
            from service.inference.local.answers import stream_answer
        except ImportError as error:
            raise LocalExtraMissing from error
        with self._lock:
            return stream_answer(self._load(request.target), request, emit=emit)

    def _load(self, name: str) -> Any:
        from service.inference.local.loader import load_base, load_tuned, prepare_torch

        if name != self._name:
            self._name, self._loaded = "", None  # before the next one: both may not fit
            device = prepare_torch(self._models)
            load: Callable[..., Any] = (
                load_tuned if bare_name(name).startswith(_TUNED) else load_base
            )
            self._loaded = load(name, self._models, device)
            self._name = name
        return self._loaded


def _batch_key(request: GenerationRequest) -> tuple[str, int]:
    return request.target, request.max_output_tokens
