"""Tag sequences drawn exactly from a linear chain: backward sums, then forward draws.

Forward filtering, backward sampling (Carter and Kohn, Biometrika 1994) with the directions swapped,
so that every tag is drawn given the ones before it, as a language model draws its tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from emulator.learners.alignment import KEEP, best_path
from emulator.learners.distributions import (
    AnswerDistribution,
    Choice,
    Logs,
    Render,
    RenderedAnswer,
    Sample,
    SamplingParameters,
    draw_index,
    log_probabilities,
    top_options,
    truncated,
)
from emulator.learners.softmax import Floats
from emulator.learners.tokens import Token


@dataclass(frozen=True, slots=True)
class Chain:
    """Tags of tokens: `scores` tokens x classes and `transitions` class x class, both in logs.

    The reported probability is that of the tags; two tags that write the same text count apart.
    """

    tokens: Sequence[Token]
    classes: Sequence[str]
    scores: Floats
    transitions: Floats

    def draw(self, sampling: SamplingParameters, rng: Random) -> Sample:
        heat = sampling.temperature or 1.0
        scores, steps = self.scores / heat, self.transitions / heat
        given = [] if sampling.temperature else best_path(self.scores, self.transitions)
        ahead = sums_ahead(scores, steps)
        # Limits go by what is unscaled without heat, which needs sums of its own.
        cool = sums_ahead(self.scores, self.transitions) if sampling.truncates else ahead
        tag, choices = self._before(), []
        for at in range(len(self.tokens)):
            logs = log_probabilities(scores[at] + ahead[at] + (steps[tag] if at else 0))
            unscaled = self.scores[at] + cool[at] + (self.transitions[tag] if at else 0)
            logs, previous = truncated(logs, unscaled=unscaled, sampling=sampling), tag
            tag = given[at] if given else draw_index(logs, rng)
            choices.append(self._choice(at, tag, previous=previous, logs=logs, top=sampling.top))
        return Sample("".join(choice.token for choice in choices).strip(), tuple(choices))

    def map(self, render: Render) -> AnswerDistribution:
        return RenderedAnswer(self, render)

    def _before(self) -> int:
        """Return the tag that stands before the first token, where nothing has been replaced."""
        return self.classes.index(KEEP) if KEEP in self.classes else -1

    def _choice(self, at: int, tag: int, *, previous: int, logs: Logs, top: int) -> Choice:
        def written(choice: int) -> str:
            return self._written(at, choice, previous=previous)

        return Choice(written(tag), float(logs[tag]), top_options(logs, top, written))

    def _written(self, at: int, tag: int, *, previous: int) -> str:
        """Return what a tag writes: a phrase once for all neighbours that share it."""
        token, phrase = self.tokens[at], self.classes[tag]
        if phrase == KEEP:
            return token.gap + token.word
        begun = previous >= 0 and phrase == self.classes[previous]
        return token.gap + phrase if phrase and not begun else ""


def sums_ahead(scores: Floats, steps: Floats) -> Logs:
    """Return, for every token and tag, the log of the sum over all that may follow."""
    ahead = np.zeros(scores.shape, np.float64)
    likely = np.exp(np.asarray(steps, np.float64) - steps.max())
    for at in range(len(scores) - 2, -1, -1):
        onward = scores[at + 1] + ahead[at + 1]
        peak = onward.max()
        total = np.maximum(likely @ np.exp(onward - peak), np.finfo(np.float64).tiny)
        ahead[at] = np.log(total) + peak + steps.max()
    return ahead
