"""Answers from the base rules or a learned model, computed beside the event loop."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Protocol

from emulator.inference.requests import Question
from emulator.learners.rules import answer_base
from emulator.prompts import prompt_of
from emulator.tuning.records import Tuning
from emulator.tuning.store import TuningStore

_THREADS = 2
_MOST_LOADED = 32


class Model(Protocol):
    """A learned model, as far as answering goes."""

    def answer(self, prompt: str) -> str: ...


def _load(path: Path) -> Model:
    """Read a model; importing the learners costs seconds, which no server start should wait for."""
    from emulator.learners.learning import load_model

    return load_model(path)


class Answerer:
    """Keeps the models used last in memory; a model is about 10 MB."""

    def __init__(self, tunings: TuningStore) -> None:
        self._tunings = tunings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="answers")
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._loading = Lock()

    async def answer(self, question: Question, *, tuning: Tuning | None) -> str:
        """Return the whole answer: the learned model's, or without a tuning the base model's."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answer, question, tuning)

    async def load(self, tuning: Tuning) -> None:
        """Have the model of a tuning in memory before it is called."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._model, tuning)

    def clear(self) -> None:
        with self._loading:
            self._loaded.clear()

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Question, tuning: Tuning | None) -> str:
        if tuning is None:
            return answer_base(question.turns, system_instruction=question.system_instruction)
        prompt = prompt_of(question.turns, system_instruction=question.system_instruction)
        return self._model(tuning).answer(prompt)

    def _model(self, tuning: Tuning) -> Model:
        with self._loading:
            model = self._loaded.pop(tuning.tuning_id, None)
            if model is None:
                model = _load(self._tunings.model_path(tuning))
            self._loaded[tuning.tuning_id] = model
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
            return model
