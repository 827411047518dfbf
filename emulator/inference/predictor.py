"""Predictions of the base rules or a tuned model, in threads where they take long."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from threading import Lock
from typing import Protocol

from emulator.inference.requests import GenerationRequest
from emulator.learners.controlled import constrain
from emulator.learners.distributions import Render, Sample, SamplingParameters
from emulator.learners.rules.base_model import answer_base, base_distribution, marked
from emulator.learners.rules.conversation import split_instruction
from emulator.prompts import Turn
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

    def prompt(self, turns: Sequence[Turn], *, system_instruction: str = "") -> str: ...

    def answer(self, prompt: str) -> str: ...

    def draw(
        self, prompt: str, sampling: SamplingParameters, *, render: Render | None = None
    ) -> list[Sample]: ...


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

    async def answer(self, tuning: Tuning, endpoint: str, prompts: Sequence[str]) -> list[str]:
        """Return a checkpoint's answers to prompts as its training rows had them."""
        path = self._tunings.model_path(tuning, endpoint=endpoint)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answers, path, prompts)

    def _answers(self, path: Path, prompts: Sequence[str]) -> list[str]:
        model = self._model(path)
        return [model.answer(prompt) for prompt in prompts]

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
        model, render = self._model(path), _render(request)
        prompt = model.prompt(request.turns, system_instruction=request.system_instruction)
        if _is_deterministic(request):
            answer = model.answer(prompt)
            return [Sample(render(answer) if render else answer)] * sampling.count
        return model.draw(prompt, sampling, render=render)

    def _model(self, path: Path) -> Model:
        with self._loading:
            model = self._loaded.pop(path, None)
            if model is None:
                model = _load(path)
            self._loaded[path] = model
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
            return model


def _render(request: GenerationRequest) -> Render | None:
    """Return how a tuned model words its answer: by the schema, or after reasoning it was asked."""
    if request.schema:
        return partial(constrain, schema=request.schema)
    instruction, _ = split_instruction(request.turns[0][1])
    return marked(f"{request.system_instruction}\n{instruction}", "what I was tuned for")


def _draw_base(request: GenerationRequest, sampling: SamplingParameters) -> list[Sample]:
    turns, system, schema = request.turns, request.system_instruction, request.schema
    if _is_deterministic(request):
        answer = answer_base(turns, system_instruction=system, schema=schema)
        return [Sample(answer)] * sampling.count
    rng = Random(sampling.seed)  # noqa: S311  (repeatable draws, nothing secret)
    distribution = base_distribution(turns, system_instruction=system, schema=schema)
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
