"""Learn text from text: train on pairs, answer prompts, save and load; no score is stored."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np

from emulator.learners.distributions import Render, Sample, SamplingParameters
from emulator.learners.heads.ports import Arrays, Head, Rows
from emulator.learners.heads.preference import PreferenceHead
from emulator.learners.heads.selection import build_head, choose_head
from emulator.learners.history import EpochRecord, Plan, Progress
from emulator.learners.layout import Layout, learn_layout
from emulator.prompts import prompt_of

Pairs = Sequence[tuple[str, str]]
FORMAT = 1
META = "meta"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The rejected answer of each pair, in their order; empty where there is none."""

    training: Sequence[str] = ()
    validation: Sequence[str] = ()
    beta: float = 0.1


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A tuned model: how its prompts are laid out, its head, and how the training went."""

    layout: Layout
    learner: Head
    history: list[EpochRecord]

    @property
    def head(self) -> str:
        """Return edit, span, class, json, nearest or preference."""
        return self.learner.name

    def answer(self, prompt: str) -> str:
        return self.answer_many([prompt])[0]

    def answer_many(self, prompts: Sequence[str]) -> list[str]:
        if not prompts:
            return []
        return self.learner.answer_many([self.layout.parse(prompt) for prompt in prompts])

    def prompt(self, turns: Sequence[tuple[str, str]], *, system_instruction: str = "") -> str:
        """Return turns as the model reads them: shots are left out, it knows its task."""
        return prompt_of(self.layout.without_shots(turns), system_instruction=system_instruction)

    def draw(
        self, prompt: str, sampling: SamplingParameters, *, render: Render | None = None
    ) -> list[Sample]:
        """Return `sampling.count` answers with their probabilities; the same seed, the same ones.

        At temperature 0 they are `answer`'s. `render` words an answer otherwise.
        """
        rng = Random(sampling.seed)
        distribution = self.learner.distribution(self.layout.parse(prompt))
        if render:
            distribution = distribution.map(render)
        return [distribution.draw(sampling, rng) for _ in range(sampling.count)]

    def save(self, path: Path) -> None:
        """Write one .npz without pickles; the loaded model gives the same answers."""
        arrays: Arrays = {}
        meta = {
            "format": FORMAT,
            "head": self.head,
            "learner": self.learner.pack("", arrays),
            "layout": self.layout.pack(),
            "history": [asdict(record) for record in self.history],
        }
        arrays[META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)


def train_model(
    pairs: Pairs,
    *,
    validation: Pairs = (),
    epochs: int = 2,
    learning_rate_multiplier: float = 1.0,
    seed: int = 0,
    rejected: Rejected = Rejected(),
    progress: Progress | None = None,
    snapshot: "Callable[[TunedModel], None] | None" = None,
) -> TunedModel:
    """Train on (prompt, output) pairs; the kind of model follows from the pairs alone.

    `epochs` is the number of passes, `learning_rate_multiplier` a factor on the step size.
    `rejected` makes it preference tuning, held to the un-tuned model by `beta`. Answers that are
    made of their prompt (edit, span, json) are learnt from the chosen ones alone.
    `progress` sees the record of every pass; returning False ends the training there, with what
    has been learned so far. `snapshot` sees the model itself after every pass and must save what
    it needs: the next pass changes it. The same pairs, plan and seed give the
    same model.
    Raises ValueError when there are no pairs or no passes to learn from.
    """
    if not pairs or epochs < 1:
        raise ValueError(f"nothing to learn from: {len(pairs)} pairs, {epochs} epochs")
    layout = learn_layout([prompt for prompt, _ in pairs], [output for _, output in pairs])
    rows, unseen = _read(pairs, layout), _read(validation, layout)
    learner = _head_of(rows, rejected)
    plan = Plan(epochs, learning_rate_multiplier, seed, rejected.beta)
    history: list[EpochRecord] = []
    for record in learner.train(rows, validation=unseen, plan=plan):
        history.append(record)
        if snapshot:
            snapshot(TunedModel(layout, learner, list(history)))
        if progress and not progress(record):
            break
    return TunedModel(layout, learner, history)


def _head_of(rows: Rows, rejected: Rejected) -> Head:
    name = choose_head(rows)
    if any(rejected.training) and name in {"class", "nearest"}:
        sides = (rejected.training, rejected.validation)
        return PreferenceHead(*([text.strip() for text in side] for side in sides))
    return build_head(name)


def load_model(path: Path) -> TunedModel:
    """Read a model that `save` wrote. Raises ValueError when the file holds none of this format."""
    with np.load(path, allow_pickle=False) as file:
        arrays: Arrays = {name: file[name] for name in file.files}
    meta = json.loads(arrays.pop(META).tobytes()) if META in arrays else {}
    if meta.get("format") != FORMAT:
        raise ValueError(f"no learned model of format {FORMAT}: found {meta.get('format')!r}")
    learner = build_head(meta["head"])
    learner.unpack(meta["learner"], "", arrays)
    history = [EpochRecord(**record) for record in meta["history"]]
    return TunedModel(Layout.unpack(meta["layout"]), learner, history)


def _read(pairs: Pairs, layout: Layout) -> Rows:
    return [(layout.parse(prompt), output.strip()) for prompt, output in pairs]
