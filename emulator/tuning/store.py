"""Tunings in a folder, one file each, and the files of the models they made."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from emulator.errors import GoogleError
from emulator.files import empty_folder, read_folder, write_json
from emulator.timestamps import timestamp
from emulator.tuning.records import State, Tuning, read_tuning


class TuningStore:
    def __init__(self, root: Path) -> None:
        self._jobs, self._models = root / "jobs", root / "models"
        for folder in (self._jobs, self._models):
            folder.mkdir(parents=True, exist_ok=True)
        tunings = [read_tuning(document) for document in read_folder(self._jobs)]
        self._tunings = {tuning.tuning_id: tuning for tuning in tunings}
        self._endpoints = {tuning.endpoint: tuning.tuning_id for tuning in tunings}

    def clear(self) -> None:
        empty_folder(self._jobs)
        empty_folder(self._models)
        self._tunings.clear()
        self._endpoints.clear()

    def all(self) -> list[Tuning]:
        return sorted(self._tunings.values(), key=lambda tuning: tuning.serial)

    def next_serial(self) -> int:
        return 1 + max((tuning.serial for tuning in self._tunings.values()), default=0)

    def get(self, tuning_id: str) -> Tuning | None:
        return self._tunings.get(tuning_id)

    def put(self, tuning: Tuning) -> Tuning:
        write_json(self._jobs / f"{tuning.tuning_id}.json", asdict(tuning))
        self._tunings[tuning.tuning_id] = tuning
        self._endpoints[tuning.endpoint] = tuning.tuning_id
        return tuning

    def change(self, tuning_id: str, **changes: Any) -> Tuning:
        """Store the tuning with some fields replaced and its `updateTime` set to now."""
        return self.put(replace(self._tunings[tuning_id], updated=timestamp(), **changes))

    def serving(self, endpoint: str) -> Tuning:
        """Return the tuning behind an endpoint's full name, location included.

        Raises GoogleError 404 also for an endpoint called at another location than its own.
        """
        tuning = self._tunings.get(self._endpoints.get(endpoint, ""))
        if tuning is None or tuning.state != State.SUCCEEDED:
            raise GoogleError(404, f"Endpoint `{endpoint}` was not found.")
        return tuning

    def model_path(self, tuning: Tuning) -> Path:
        return self._models / f"{tuning.tuning_id}.npz"
