"""Where models on this machine lie: bases in the operator's folder, tuned ones in the store."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from service.catalogue.local_names import bare_name, hub_model_of
from service.errors import Invalid, NotFound
from service.settings import Settings
from service.storage.ports import ObjectStore
from service.work_folders import work_folder

WEIGHTS = "*.safetensors"
# What a model consists of; pickles (`*.bin`, `*.pt`) and code are left where they are.
MODEL_FILES = (WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja")
_INDEX = f"{WEIGHTS}.index.json"  # of weights in several files
_MANIFEST = "tunecurve.json"


class LocalExtraMissing(Invalid):
    """This process cannot load models: PyTorch and transformers are not installed."""

    default_code = "local_extra_missing"

    def __init__(self) -> None:
        super().__init__(
            "this worker lacks the extra `local`: pip install 'tunecurve-server[local]'"
        )


class LocalTask(StrEnum):
    """What a local model does: one label for each text, or text after text."""

    SEQUENCE_CLASSIFICATION = "sequence_classification"
    CAUSAL_LM = "causal_lm"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a tuned model's folder says of it beside the files of transformers.

    `adapter`: the folder holds LoRA weights, which go onto those of `base_model`. `max_length` is
    how many tokens a training row had at most.
    """

    task: LocalTask
    base_model: str
    max_length: int
    labels: tuple[str, ...] = ()
    adapter: bool = False

    def write(self, folder: Path) -> None:
        content = {
            "task": self.task.value,
            "base_model": self.base_model,
            "max_length": self.max_length,
            "labels": list(self.labels),
            "adapter": self.adapter,
        }
        (folder / _MANIFEST).write_text(json.dumps(content, indent=2), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        content: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return cls(
            LocalTask(content["task"]),
            content["base_model"],
            content["max_length"],
            tuple(content["labels"]),
            content["adapter"],
        )


@dataclass(frozen=True, slots=True)
class LocalModels:
    """`folder` holds one sub-folder for each base model that may be used; empty: none may.

    `threads` and `memory_bytes` bound what one model uses; 0 leaves it to the machine.
    """

    folder: str
    store: Callable[[], ObjectStore]
    threads: int = 0
    memory_bytes: int = 0

    def base(self, name: str) -> Path:
        """Return the folder of a base model by its name (`local:…`).

        Raises Invalid `local_models_not_set`, `hub_model_not_here`, `model_file_outside` or
        `weights_not_safetensors`, and NotFound `local_model_not_found`.
        """
        if not self.folder:
            message = "no local models may be used here: set TUNECURVE_LOCAL_MODELS to their folder"
            raise Invalid(message, code="local_models_not_set")
        hub_model = hub_model_of(name)
        folder = _snapshot(*hub_model) if hub_model else self._folder_of(bare_name(name))
        if not any(folder.glob(WEIGHTS)):
            message = f"{name} has no *.safetensors: weights in other files are not loaded"
            raise Invalid(message, code="weights_not_safetensors")
        return folder

    def _folder_of(self, name: str) -> Path:
        folder = Path(self.folder).expanduser() / name  # one part: `BASE_MODEL_PATTERN`
        if not (folder / "config.json").is_file():
            known = ", ".join(self.names()) or "none"
            message = f"no model {name!r} in TUNECURVE_LOCAL_MODELS; there are: {known}"
            raise NotFound(message, code="local_model_not_found")
        _require_inside(folder)
        return folder

    def names(self) -> list[str]:
        """Return the names of the base models in the folder."""
        found = Path(self.folder).expanduser().glob("*/config.json")
        return sorted(file.parent.name for file in found)

    @contextmanager
    def tuned(self, endpoint: str) -> Iterator[Path]:
        """Yield a copy of a tuned model's folder that is gone afterwards: a deleted model leaves
        no trace on the machines that asked it.

        Raises NotFound `local_model_not_found`, Unavailable.
        """
        store, key = self.store(), bare_name(endpoint)
        names = [each.removeprefix(f"{key}/") for each in store.keys_below(key)]
        if not names:
            message = f"{endpoint} is not in the object store"
            raise NotFound(message, code="local_model_not_found")
        with work_folder() as copy:
            for name in names:
                with store.open(f"{key}/{name}") as source, (copy / name).open("wb") as file:
                    shutil.copyfileobj(source, file)
            yield copy

    def publish(self, folder: Path, key: str) -> None:
        """Store a model's files below a key; what is there already stays. Raises Unavailable."""
        store = self.store()
        for pattern in MODEL_FILES:
            for file in sorted(folder.glob(pattern)):
                if file.name != "trainer_state.json":
                    store.put_file(
                        f"{key}/{file.name}", file, content_type="application/octet-stream"
                    )


def local_models(settings: Settings, *, store: Callable[[], ObjectStore]) -> LocalModels:
    """Return the models that the settings allow on this machine."""
    return LocalModels(
        settings.local_models,
        store=store,
        threads=settings.local_threads,
        memory_bytes=settings.local_memory_bytes,
    )


def _require_inside(folder: Path) -> None:
    """Raise Invalid `model_file_outside` for a file of a model that lies outside of its folder."""
    shards = (name for index in folder.glob(_INDEX) for name in _shards(index))
    for file in (*folder.iterdir(), *(folder / name for name in shards)):
        if not file.resolve().is_relative_to(folder.resolve()):
            message = (
                f"{file.name} of the model {folder.name} leads out of its folder: put the file "
                "itself there (`cp --dereference`)"
            )
            raise Invalid(message, code="model_file_outside")


def _shards(index: Path) -> list[str]:
    """Return the files that an index of weights names; transformers says what ails a broken one."""
    try:
        return [str(name) for name in json.loads(index.read_bytes())["weight_map"].values()]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _snapshot(repository: str, commit: str) -> Path:
    """Return the folder of a model of the hub at a commit; downloaded where that is allowed."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        folder = snapshot_download(
            repository, revision=commit, allow_patterns=list(MODEL_FILES), token=False
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled) as e:
        message = (
            f"{repository}@{commit} is not in this machine's cache of the hub, and was not "
            f"downloaded ({type(e).__name__}): run `hf download {repository} --revision {commit}` "
            "here, or unset HF_HUB_OFFLINE"
        )
        raise Invalid(message, code="hub_model_not_here") from e
    return Path(folder)
