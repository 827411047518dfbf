"""Rows to send, and a shelf that keeps what a run stores."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from service.inference.generation_run import Summary
from service.inference.generators.vertex import VertexGenerator
from service.inference.governor import LocalGovernor
from service.inference.operations import generate_all
from service.inference.ports import (
    CallLimits,
    Flow,
    GenerationRequest,
    GenerationResult,
    Governor,
    Quota,
    Turn,
)

FLOW = Flow("prj_a", "job_a")
LIMITS = CallLimits(in_flight=64, attempts=4, timeout_seconds=120)


class Stopped(Exception):  # noqa: N818  a signal, not an error
    """What a check raises to end a run."""


def fast() -> Governor:
    return LocalGovernor(Quota(requests_per_minute=60_000, burst_seconds=0.5))


def requests(count: int, *, start: int = 0) -> Iterator[GenerationRequest]:
    for number in range(start, start + count):
        yield GenerationRequest(
            key=f"row-{number}",
            target="gemini-3.1-flash-lite",
            base_model="gemini-3.1-flash-lite",
            location="us",
            contents=(Turn("user", f"prompt-{number}"),),
        )


@dataclass
class Shelf:
    """Keeps what a run stores, and lets it check."""

    generator: VertexGenerator
    batches: list[list[GenerationResult]] = field(default_factory=list)
    checks: int = 0
    on_check: Callable[[int], None] = lambda _checks: None

    def store(self, batch: Sequence[GenerationResult]) -> None:
        self.batches.append(list(batch))

    def check(self) -> None:
        self.checks += 1
        self.on_check(self.checks)

    def run(
        self,
        rows: Iterable[GenerationRequest],
        *,
        governor: Governor | None = None,
        limits: CallLimits = LIMITS,
    ) -> Summary:
        return generate_all(
            rows,
            generator=self.generator,
            governor=governor or fast(),
            flow=FLOW,
            limits=limits,
            store=self.store,
            check=self.check,
        )

    @property
    def answered(self) -> list[GenerationResult]:
        return [result for batch in self.batches for result in batch if not result.abandoned]

    @property
    def abandoned(self) -> list[GenerationResult]:
        return [result for batch in self.batches for result in batch if result.abandoned]

    @property
    def keys(self) -> list[str]:
        return [result.key for result in self.answered]


def expected(count: int) -> set[str]:
    return {f"row-{number}" for number in range(count)}
