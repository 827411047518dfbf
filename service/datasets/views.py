"""A finished dataset, as other rooms see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A finished dataset, as other rooms see it. The first metric is the primary one.

    The mappings are JSON objects: `splits` of `SplitInfo`, `training_files` of `StoredRows` by
    train size as text, `report` of `DatasetReport`.
    """

    id: str
    job_id: str
    preset: str
    instruction: str
    metrics: tuple[str, ...]
    examples_key: str
    training_files: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Mapping[str, Any]]
    fingerprint: str
    report: Mapping[str, Any]

    @property
    def leaky(self) -> bool:
        """Whether held-out rows leak into training and the spec allowed it: scores must say so."""
        leakage = self.report.get("leakage") or {}
        return bool(leakage.get("allowed"))
