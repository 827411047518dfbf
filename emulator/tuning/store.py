"""Tunings in a file, the files of the models they made, and what of them is kept in memory."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from emulator.clock import timestamp
from emulator.documents import Documents, empty_folder
from emulator.errors import GoogleError
from emulator.tuning.records import ENDED, SERVED, Tuning, read_tuning

_MOST_RECENT = 64
_KEY = "{:012d}"


class TuningStore:
    """Open tunings are in memory, of the ended ones those read last; all are in the file.

    A tuning is a few KB without and up to some MB with its statistics and epochs. The keys of the
    file are serial numbers, so that reading all of them comes in order of creation.
    """

    def __init__(self, root: Path) -> None:
        self._models = root / "models"
        self._models.mkdir(parents=True, exist_ok=True)
        self._documents = Documents(root / "tunings.sqlite")
        self._open: dict[str, Tuning] = {}
        self._recent: OrderedDict[str, Tuning] = OrderedDict()
        self._serials: dict[str, int] = {}
        self._endpoints: dict[str, str] = {}
        self._models_by_name: dict[str, list[str]] = {}
        self._orders: Counter[tuple[object, ...]] = Counter()
        self._last_serial = 0
        self.latest: datetime | None = None
        for document in self._documents.all():
            self._index(read_tuning(document))

    def close(self) -> None:
        self._documents.close()

    def clear(self) -> None:
        empty_folder(self._models)
        self._documents.clear()
        for kept in (self._open, self._recent, self._serials, self._endpoints):
            kept.clear()
        self._models_by_name.clear()
        self._orders.clear()
        self._last_serial = 0

    def all(self) -> Iterator[Tuning]:
        """Yield all tunings in order of creation, one by one."""
        for document in self._documents.all():
            tuning_id = document["tuning_id"]
            yield self._open.get(tuning_id) or read_tuning(document)

    def unfinished(self) -> list[Tuning]:
        return sorted(self._open.values(), key=lambda tuning: tuning.serial)

    def next_serial(self) -> int:
        return self._last_serial + 1

    def count_alike(self, *order: object) -> int:
        """Return how many tunings have these training rows (the MD5 of their file; its URI where a
        record has none), epochs and learning rate multiplier.
        """
        return self._orders[order]

    def get(self, tuning_id: str) -> Tuning | None:
        found = self._open.get(tuning_id) or self._recent.get(tuning_id)
        if found is None and tuning_id in self._serials:
            key = _KEY.format(self._serials[tuning_id])
            found = read_tuning(self._documents.get(key))
            self._keep(found)
        return found

    def put(self, tuning: Tuning) -> Tuning:
        self._documents.put(_KEY.format(tuning.serial), asdict(tuning))
        self._index(tuning)
        return tuning

    def change(self, tuning_id: str, **changes: Any) -> Tuning:
        """Store the tuning with some fields replaced and its `updateTime` set to now."""
        tuning = self.get(tuning_id)
        if tuning is None:
            raise KeyError(tuning_id)
        return self.put(replace(tuning, updated=timestamp(), **changes))

    def serving(self, endpoint: str) -> Tuning:
        """Return the tuning behind an endpoint's full name, location included.

        Raises GoogleError 404 also for an endpoint called at another location than its own.
        """
        tuning = self.get(self._endpoints.get(endpoint, ""))
        if tuning is None or endpoint not in tuning.served.values():
            raise GoogleError(404, f"Endpoint `{endpoint}` was not found.")
        return tuning

    def model_path(self, tuning: Tuning, *, endpoint: str) -> Path:
        """Return the file of the checkpoint an endpoint serves; the last is the model itself."""
        served = (epoch for epoch, name in tuning.checkpoints.items() if name == endpoint)
        epoch = next(served, tuning.epochs)
        number = "" if epoch == tuning.epochs else f".{epoch}"
        return self._models / f"{tuning.tuning_id}{number}.npz"

    def data_path(self, tuning_id: str) -> Path:
        """Return the file of a tuning's training rows, kept for tunings that continue its model."""
        return self._models / f"{tuning_id}.jsonl"

    def keep_data(self, tuning: Tuning, path: Path) -> Path:
        """Keep the file of training rows, whatever becomes of the object; a link takes no space."""
        kept = self.data_path(tuning.tuning_id)
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)
        return kept

    def forget_data(self, tuning: Tuning) -> Tuning:
        """Delete what a tuning has learned and from which rows; its record repeats none of them.

        What becomes of a record at Google when its model is deleted is not documented.
        """
        for path in self._models.glob(f"{tuning.tuning_id}.*"):
            path.unlink(missing_ok=True)
        stats = {
            name: {key: value for key, value in found.items() if key != "userDatasetExamples"}
            for name, found in (tuning.data_stats or {}).items()
        }
        forgotten = self.put(replace(tuning, data_stats=stats or None))
        self._documents.discard_deleted()
        return forgotten

    def find_model(self, name: str) -> Tuning | None:
        """Return the tuning whose model has this full name; without a version it is the newest."""
        bare, _, version = name.partition("@")
        found = [
            tuning
            for tuning_id in self._models_by_name.get(bare, ())
            if (tuning := self.get(tuning_id)) and tuning.state in SERVED
            if bare not in tuning.removed
        ]
        if version not in {"", "default"}:
            found = [tuning for tuning in found if str(tuning.model_version) == version]
        return max(found, key=lambda tuning: tuning.model_version, default=None)

    def versions(self, model_name: str) -> list[int]:
        """Return the versions of a model, those of unfinished and failed tunings, too."""
        ids = self._models_by_name.get(model_name, ())
        return [tuning.model_version for each in ids if (tuning := self.get(each))]

    def _index(self, tuning: Tuning) -> None:
        if tuning.tuning_id not in self._serials:
            self._models_by_name.setdefault(tuning.model_name, []).append(tuning.tuning_id)
            rows = tuning.content or tuning.training_uri
            self._orders[rows, tuning.epochs, tuning.learning_rate_multiplier] += 1
        self._serials[tuning.tuning_id] = tuning.serial
        self._endpoints |= dict.fromkeys(tuning.checkpoints.values(), tuning.tuning_id)
        self._last_serial = max(self._last_serial, tuning.serial)
        updated = datetime.fromisoformat(tuning.updated)
        self.latest = max(updated, self.latest or updated)
        self._keep(tuning)

    def _keep(self, tuning: Tuning) -> None:
        if tuning.state not in ENDED:
            self._open[tuning.tuning_id] = tuning
            return
        self._open.pop(tuning.tuning_id, None)
        self._recent[tuning.tuning_id] = tuning
        self._recent.move_to_end(tuning.tuning_id)
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
