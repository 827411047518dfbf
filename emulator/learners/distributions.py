"""Answers drawn from what a model believes, with the probability of every decision in them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Logs = NDArray[np.float64]
Render = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How to draw: `top` is the number of options reported for a decision, likeliest first.

    Temperature t draws by probabilities raised to 1/t and made to sum to 1, and those are
    reported. Temperature 0 gives the deterministic answer and the probabilities of temperature 1.
    Each decision is drawn among its `top_k` likeliest options (0: all), and of these the likeliest
    whose probabilities reach `top_p`; at temperature 0 neither changes anything.
    """

    temperature: float = 0.0
    count: int = 1
    top: int = 0
    seed: int = 0
    top_k: int = 0
    top_p: float = 1.0

    @property
    def truncates(self) -> bool:
        """Return whether `top_k` or `top_p` may leave something out."""
        return bool(self.temperature) and (self.top_k > 0 or self.top_p < 1)


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision: what it wrote, its log-probability in nats given the earlier ones."""

    token: str
    log_probability: float
    options: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer; the product of its choices' probabilities is the probability of drawing it."""

    text: str
    choices: tuple[Choice, ...] = ()

    @property
    def log_probability(self) -> float:
        return sum(choice.log_probability for choice in self.choices)


class AnswerDistribution(Protocol):
    """What a model believes of the answer to one prompt."""

    def draw(self, sampling: SamplingParameters, rng: Random) -> Sample: ...

    def map(self, render: Render) -> "AnswerDistribution":
        """Return the distribution of the rendered answer, reported as one decision."""


class Categorical:
    """One choice among whole answers, equal ones as one; `mode` is the answer without rng."""

    def __init__(self, options: Sequence[str], logs: ArrayLike, *, mode: str | None = None) -> None:
        weights: dict[str, float] = {}
        for option, log in zip(options, np.asarray(logs, np.float64).tolist(), strict=True):
            weights[option] = float(np.logaddexp(weights.get(option, -np.inf), log))
        self._options = list(weights)
        self._logs = np.fromiter(weights.values(), np.float64)
        best = int(self._logs.argmax())
        self._mode = best if mode is None else self._options.index(mode)

    def draw(self, sampling: SamplingParameters, rng: Random) -> Sample:
        logs = with_temperature(self._logs, sampling)
        at = draw_index(logs, rng) if sampling.temperature else self._mode
        options = top_options(logs, sampling.top, self._options.__getitem__)
        text = self._options[at]
        return Sample(text, (Choice(text, float(logs[at]), options),))

    def probability(self, text: str) -> float:
        """Return how likely an answer is, white space around it aside."""
        logs = log_probabilities(self._logs)
        pairs = zip(self._options, np.exp(logs).tolist(), strict=True)
        return float(sum(share for option, share in pairs if option.strip() == text.strip()))

    def map(self, render: Render) -> "Categorical":
        rendered = [render(option) for option in self._options]
        return Categorical(rendered, self._logs, mode=rendered[self._mode])


@dataclass(frozen=True, slots=True)
class RenderedAnswer:
    """A distribution of many decisions, its rendered answer reported as one."""

    distribution: AnswerDistribution
    render: Render

    def draw(self, sampling: SamplingParameters, rng: Random) -> Sample:
        drawn = self.distribution.draw(sampling, rng)
        text, log = self.render(drawn.text), drawn.log_probability
        return Sample(text, (Choice(text, log, ((text, log),) if sampling.top else ()),))

    def map(self, render: Render) -> AnswerDistribution:
        return RenderedAnswer(self, render)


@dataclass(frozen=True, slots=True)
class RecordDistribution:
    """A JSON object, one independent decision a key; `parts` are distributions on JSON values.

    A key of `left_out` stands in the object only where its value is not null.
    """

    parts: Sequence[tuple[str, AnswerDistribution]]
    left_out: frozenset[str] = frozenset()

    def draw(self, sampling: SamplingParameters, rng: Random) -> Sample:
        choices: list[Choice] = []
        opened = False
        for at, (key, distribution) in enumerate(self.parts):
            drawn = distribution.draw(sampling, rng).choices[0]
            frame = _Frame(
                key, opened=opened, last=at == len(self.parts) - 1, left_out=key in self.left_out
            )
            choices.append(_framed(drawn, frame))
            opened = opened or not frame.omits(drawn.token)
        choices = choices or [Choice("{}", 0.0)]
        return Sample("".join(choice.token for choice in choices), tuple(choices))

    def map(self, render: Render) -> AnswerDistribution:
        return RenderedAnswer(self, render)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the value of a key: braces, comma and name."""

    key: str
    opened: bool
    last: bool
    left_out: bool

    def omits(self, token: str) -> bool:
        return self.left_out and token == json.dumps(None)

    def around(self, token: str) -> str:
        end = "}" if self.last else ""
        if self.omits(token):
            return end if self.opened or not self.last else "{}"
        start = ", " if self.opened else "{"
        return f"{start}{json.dumps(self.key, ensure_ascii=False)}: {token}{end}"


def _framed(choice: Choice, frame: _Frame) -> Choice:
    options = tuple((frame.around(token), log) for token, log in choice.options)
    return Choice(frame.around(choice.token), choice.log_probability, options)


def log_probabilities(logs: NDArray[Any]) -> Logs:
    """Return the logs of one distribution made to sum to 1."""
    shifted = np.asarray(logs, np.float64) - logs.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), np.float64)


def with_temperature(logs: NDArray[Any], sampling: SamplingParameters) -> Logs:
    """Return the logs of the probabilities that are drawn from and reported."""
    heated = np.asarray(logs, np.float64) / (sampling.temperature or 1.0)
    return truncated(log_probabilities(heated), unscaled=logs, sampling=sampling)


def truncated(logs: Logs, *, unscaled: NDArray[Any], sampling: SamplingParameters) -> Logs:
    """Return the logs with what `top_k` and then `top_p` leave out at zero probability.

    Both go by what is unscaled without heat, as Google's reference has it: the temperature is used
    on what they leave.
    """
    if not sampling.truncates:
        return logs
    order = np.argsort(-unscaled, kind="stable")[: sampling.top_k or None]
    shares = np.exp(log_probabilities(unscaled[order]))
    reached = shares.cumsum() - shares
    kept = order[(reached < sampling.top_p) | (np.arange(len(order)) == 0)]
    left = np.full(len(logs), -np.inf)
    left[kept] = logs[kept]
    return log_probabilities(left)


def draw_index(logs: Logs, rng: Random) -> int:
    """Return an index drawn by its probability; `logs` sum to 1 as probabilities."""
    ends = np.exp(logs).cumsum()
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(logs) - 1)


def top_options(
    logs: Logs, count: int, name: Callable[[int], str]
) -> tuple[tuple[str, float], ...]:
    """Return the names and logs of the likeliest possible options, the first of equals first."""
    order = np.argsort(-logs, kind="stable")[:count].tolist() if count else []
    return tuple((name(at), float(logs[at])) for at in order if logs[at] > -np.inf)
