"""One run of a `prepare` job: what is to be made, and what it is made with."""

from collections.abc import Callable
from dataclasses import dataclass

from service.datasets.ports import TokenCounter
from service.datasets.presets.preset import Preset
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.source import SourceAccess
from service.jobs.ports import JobRun


@dataclass(frozen=True, slots=True)
class PrepareRun:
    """`model` is whose limits apply when the spec names none; see `TokenCounter`."""

    job: JobRun
    spec: PrepareSpec
    preset: Preset
    access: SourceAccess
    model: str = ""
    count_tokens: TokenCounter | None = None

    def watch(self, stage: str, *, total: int | None = None) -> Callable[[int], None]:
        """Return what is told the rows so far; it looks up whether the job may go on."""

        def watch(rows: int) -> None:
            self.job.check()
            self.job.report(rows, total, unit="items", stage=stage)

        return watch
