"""Predictions of the base rules or a tuned model, in threads where they take long."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Lock
from typing import Protocol

from emulator.inference.requests import GenerationRequest
from emulator.learners.distributions import Sample, SamplingParameters
from emulator.learners.rules.base_model import answer_base, base_distribution
from emulator.prompts import prompt_of
from emulator.settings import Settings
from emulator.tuning.records import Tuning
from emulator.tuning.store import TuningStore

CONSTANT_ANSWER = "OK"

_THREADS = 2
_MOST_LOADED = 32
# Up to here a base rule takes less than the way to another thread and back.
_SHORT_PROMPT = 1000


class Model(Protocol):
    """What a tuned model offers for predictions."""

    def answer(self, prompt: str) -> str: ...

    def draw(self, prompt: str, sampling: SamplingParameters) -> list[Sample]: ...


def _load(path: Path) -> Model:
    """Read a model; importing the learners costs seconds, which no server start should wait for."""
    from emulator.learners.tuned_model import load_model

    return load_model(path)


class Predictor:
    """Keeps the models used last in memory; a model is about 10 MB."""

    def __init__(self, tunings: TuningStore) -> None:
        self._tunings = tunings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="predictions")
        self._loaded: OrderedDict[Path, Model] = OrderedDict()
        self._loading = Lock()

    async def sample(
        self,
        request: GenerationRequest,
        *,
        tuning: Tuning | None,
        endpoint: str,
        settings: Settings,
        attempt: int,
    ) -> Sequence[Sample]:
        """Return one answer for each candidate: the tuned model's, without a tuning the base's.

        `endpoint` decides which checkpoint answers. `attempt` counts earlier sendings of the same
        request: without a seed of its own, its answers at a temperature vary with them.
        """
        if settings.answer == "constant":
            return [Sample(CONSTANT_ANSWER)] * request.candidate_count
        sampling = _sampling(request, settings, attempt)
        if tuning is None and len(request.text) <= _SHORT_PROMPT:
            return _draw_base(request, sampling)
        path = self._tunings.model_path(tuning, endpoint=endpoint) if tuning else None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._draw, request, sampling, path)

    async def load(self, tuning: Tuning) -> None:
        """Load the model of a tuning before its first call."""
        loop = asyncio.get_running_loop()
        path = self._tunings.model_path(tuning, endpoint=tuning.endpoint)
        await loop.run_in_executor(self._threads, self._model, path)

    def clear(self) -> None:
        with self._loading:
            self._loaded.clear()

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _draw(
        self, request: GenerationRequest, sampling: SamplingParameters, path: Path | None
    ) -> list[Sample]:
        if path is None:
            return _draw_base(request, sampling)
        model = self._model(path)
        prompt = prompt_of(request.turns, system_instruction=request.system_instruction)
        if _is_deterministic(request):
            return [Sample(model.answer(prompt))] * sampling.count
        return model.draw(prompt, sampling)

    def _model(self, path: Path) -> Model:
        with self._loading:
            model = self._loaded.pop(path, None)
            if model is None:
                model = _load(path)
            self._loaded[path] = model
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
            return model


def _draw_base(request: GenerationRequest, sampling: SamplingParameters) -> list[Sample]:
    turns, system = request.turns, request.system_instruction
    if _is_deterministic(request):
        return [Sample(answer_base(turns, system_instruction=system))] * sampling.count
    rng = Random(sampling.seed)  # noqa: S311  (repeatable draws, nothing secret)
    distribution = base_distribution(turns, system_instruction=system)
    return [distribution.draw(sampling, rng) for _ in range(sampling.count)]


def _is_deterministic(request: GenerationRequest) -> bool:
    return not request.temperature and not request.returns_logprobs


def _sampling(request: GenerationRequest, settings: Settings, attempt: int) -> SamplingParameters:
    """Return how to draw: with a seed in the request always alike, else by sending."""
    facts = (settings.seed, attempt) if request.seed is None else ("seed", request.seed)
    digest = hashlib.blake2b(repr(facts).encode() + request.digest, digest_size=8).digest()
    return SamplingParameters(
        temperature=request.temperature,
        count=request.candidate_count,
        top=request.top_logprobs if request.returns_logprobs else 0,
        top_k=request.top_k,
        top_p=request.top_p,
        seed=int.from_bytes(digest, "big"),
    )
