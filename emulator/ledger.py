"""Counts of calls and tokens, by which a test sees what a client paid; prompts are not kept."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from emulator.catalogue import describe_prices, generation_cost
from emulator.clock import CLOCK, Clock

_MOST_SECONDS = 900
_MOST_REPEATED = 20


@dataclass(slots=True)
class ModelUse:
    """Calls to one model name or endpoint and the tokens of those that were answered.

    `output_tokens` include thoughts, as the bill does. `repeated` counts prompts paid for again.
    `cost_usd` is the list price of what was answered, None where no price is known.
    """

    base_model: str = ""
    tuned: bool = False
    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    cost_usd: float | None = 0.0

    def charge(self, *, prompt_tokens: int, output_tokens: int, location: str) -> None:
        """Add the tokens of an answer and its list price at the location of the call."""
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens
        cost = generation_cost(
            self.base_model,
            location=location,
            tuned=self.tuned,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
        )
        if cost is None or self.cost_usd is None:
            self.cost_usd = None
        else:
            self.cost_usd += cost


class SecondCounts:
    """Accepted and rejected calls of the last seconds of the emulator's clock that had any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[int, list[int]] = OrderedDict()

    def clear(self) -> None:
        self._counts.clear()

    def add(self, *, accepted: bool) -> None:
        second = int(self._clock.seconds())
        counts = self._counts.get(second)
        if counts is None:
            counts = self._counts[second] = [0, 0]
            if len(self._counts) > _MOST_SECONDS:
                self._counts.popitem(last=False)
        counts[0 if accepted else 1] += 1

    def as_json(self) -> list[dict[str, int]]:
        return [
            {"second": second, "accepted": accepted, "rejected": rejected}
            for second, (accepted, rejected) in self._counts.items()
        ]


class Ledger:
    """Counts generateContent calls. Accepted is what Google would bill; all others are rejected."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._seconds = SecondCounts(clock)
        self.clear()

    def clear(self) -> None:
        self._received = 0
        self._accepted = 0
        self._rejected: Counter[int] = Counter()
        self._repeated = 0
        self._in_flight = 0
        self._peak_in_flight = 0
        self._seen: set[bytes] = set()
        self._again: Counter[tuple[str, str]] = Counter()
        self._by_model: dict[str, ModelUse] = defaultdict(ModelUse)
        self._seconds.clear()

    def receive(self) -> None:
        self._received += 1

    def reject(self, model: str | None, *, http_code: int) -> None:
        """Count a call that got an error; the model is None when it named none that is here."""
        self._rejected[http_code] += 1
        self._seconds.add(accepted=False)
        if model is not None:
            self._by_model[model].rejected += 1

    @contextmanager
    def accept(
        self, model: str, *, digest: bytes, base_model: str = "", tuned: bool = False
    ) -> Iterator[ModelUse]:
        """Count a call as accepted, and as in flight until the block ends.

        `digest` stands for model and request; seeing one again makes the call a repeated prompt.
        The base model, by default the model itself, and whether it is tuned decide the price.
        """
        use = self._by_model[model]
        use.base_model, use.tuned = base_model or model, tuned
        self._accepted += 1
        use.accepted += 1
        self._seconds.add(accepted=True)
        self._note_repetition(use, model, digest)
        self._in_flight += 1
        self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
        use.in_flight += 1
        use.peak_in_flight = max(use.peak_in_flight, use.in_flight)
        try:
            yield use
        finally:
            self._in_flight -= 1
            use.in_flight -= 1

    def _note_repetition(self, use: ModelUse, model: str, digest: bytes) -> None:
        if digest in self._seen:
            self._repeated += 1
            use.repeated += 1
            self._again[model, digest.hex()] += 1
        else:
            self._seen.add(digest)

    def as_json(self) -> dict[str, Any]:
        costs = [use.cost_usd for use in self._by_model.values()]
        return {
            "calls_received": self._received,
            "calls_accepted": self._accepted,
            "calls_rejected": self._rejected.total(),
            "rejected_by_status": {str(code): n for code, n in sorted(self._rejected.items())},
            "repeated_prompts": self._repeated,
            "most_repeated": [
                {"model": model, "prompt": digest, "repeats": count}
                for (model, digest), count in self._again.most_common(_MOST_REPEATED)
            ],
            "peak_in_flight": self._peak_in_flight,
            "generation_cost_usd": sum(cost for cost in costs if cost is not None),
            "by_model": {model: asdict(use) for model, use in sorted(self._by_model.items())},
            "per_second": self._seconds.as_json(),
            "prices": describe_prices(),
        }
