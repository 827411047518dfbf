"""Answers from the base rules or a learned model, beside the event loop where they cost time."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Lock
from typing import Protocol

from emulator.inference.requests import Question
from emulator.learners.drawing import Draw, Sampling
from emulator.learners.rules import answer_base, expect_base
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
    """A learned model, as far as answering goes."""

    def answer(self, prompt: str) -> str: ...

    def draw(self, prompt: str, sampling: Sampling) -> list[Draw]: ...


def _load(path: Path) -> Model:
    """Read a model; importing the learners costs seconds, which no server start should wait for."""
    from emulator.learners.learning import load_model

    return load_model(path)


class Answerer:
    """Keeps the models used last in memory; a model is about 10 MB."""

    def __init__(self, tunings: TuningStore) -> None:
        self._tunings = tunings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="answers")
        self._loaded: OrderedDict[Path, Model] = OrderedDict()
        self._loading = Lock()

    async def draw(
        self,
        question: Question,
        *,
        tuning: Tuning | None,
        endpoint: str,
        facts: tuple[Settings, int],
    ) -> Sequence[Draw]:
        """Return one whole answer a candidate: the learned model's, or without a tuning the base's.

        `endpoint` decides which checkpoint answers. `facts` are the settings and how often this
        question came before, by which answers at a temperature vary when it names no seed.
        """
        settings, attempt = facts
        if settings.answer == "constant":
            return [Draw(CONSTANT_ANSWER)] * question.candidate_count
        sampling = _sampling(question, settings, attempt)
        if tuning is None and len(question.text) <= _SHORT_PROMPT:
            return _draw_base(question, sampling)
        path = self._tunings.model_path(tuning, endpoint=endpoint) if tuning else None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._draw, question, sampling, path)

    async def load(self, tuning: Tuning) -> None:
        """Have the model of a tuning in memory before it is called."""
        loop = asyncio.get_running_loop()
        path = self._tunings.model_path(tuning, endpoint=tuning.endpoint)
        await loop.run_in_executor(self._threads, self._model, path)

    def clear(self) -> None:
        with self._loading:
            self._loaded.clear()

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _draw(self, question: Question, sampling: Sampling, path: Path | None) -> list[Draw]:
        if path is None:
            return _draw_base(question, sampling)
        model = self._model(path)
        prompt = prompt_of(question.turns, system_instruction=question.system_instruction)
        if _is_certain(question):
            return [Draw(model.answer(prompt))] * sampling.count
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


def _draw_base(question: Question, sampling: Sampling) -> list[Draw]:
    turns, system = question.turns, question.system_instruction
    if _is_certain(question):
        return [Draw(answer_base(turns, system_instruction=system))] * sampling.count
    dice = Random(sampling.seed)  # noqa: S311  (repeatable draws, nothing secret)
    outlook = expect_base(turns, system_instruction=system)
    return [outlook.draw(sampling, dice) for _ in range(sampling.count)]


def _is_certain(question: Question) -> bool:
    """Tell whether neither chance nor probabilities are asked for."""
    return not question.temperature and not question.tells_probabilities


def _sampling(question: Question, settings: Settings, attempt: int) -> Sampling:
    """Return how to draw: with a seed in the question always alike, else by sending."""
    facts = (settings.seed, attempt) if question.seed is None else ("seed", question.seed)
    digest = hashlib.blake2b(repr(facts).encode() + question.digest, digest_size=8).digest()
    return Sampling(
        temperature=question.temperature,
        count=question.candidate_count,
        top=question.told_options if question.tells_probabilities else 0,
        top_k=question.top_k,
        top_p=question.top_p,
        seed=int.from_bytes(digest, "big"),
    )
