"""An identical training of the project on this machine is used again: its files are copied."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.catalogue.local_names import LOCAL, hub_model_of
from service.database import Session, Sessions, database_now
from service.datasets.queries import DatasetView
from service.ids import Prefix, new_id
from service.inference.local.folders import MODEL_FILES
from service.jobs.paid_operations.states import OperationState
from service.jobs.ports import JobRun
from service.storage.ports import ObjectStore
from service.tuning import repository
from service.tuning.inputs.reuse import complete_reused
from service.tuning.models import TuningRun
from service.tuning.ports import TrainingPhase
from service.tuning.providers.local.plan import TrainingPlan
from service.tuning.removal import model_folder
from service.tuning.schemas import TuneSpec


def training_fingerprint(
    dataset: DatasetView, spec: TuneSpec, plan: TrainingPlan, *, base: Path
) -> str:
    """Return the SHA-256 of all that a training depends on: rows, settings, and the base model, by
    its commit or by the content of its files in the folder `base`.
    """
    validation = dataset.splits.get("validation") or {}
    asked = asdict(plan) | {
        "training": dataset.training_files[str(spec.train_size)]["sha256"],
        "validation": validation.get("sha256") if spec.validation else None,
        "last_checkpoint_only": spec.export_last_checkpoint_only,
        "files": "" if hub_model_of(plan.base_model) else _digest_of(base),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _digest_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({each for pattern in MODEL_FILES for each in folder.glob(pattern)}):
        with file.open("rb") as content:
            digest.update(
                f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}".encode()
            )
    return digest.hexdigest()


def reuse_training(
    run: JobRun, fingerprint: str, *, store: ObjectStore, sessions: Sessions
) -> bool:
    """Complete the run's model from an identical training whose files are there; return whether
    there was one. A second call copies what is missing. Raises Unavailable.
    """
    with sessions.reading() as session:
        found = repository.succeeded_tuning(session, fingerprint, project_id=run.project_id)
    if found is None or found.job_id == run.id:
        return False
    trained = str(found.result["model"]).rpartition("/")[0]
    own = model_folder(run.project_id, run.outputs["model"])
    keys = store.keys_below(trained)
    if not keys:
        return False
    for key in keys:
        run.check()
        store.copy(key, own + key.removeprefix(trained))
    return complete_reused(run, found, _moved(found.result, trained, own), synthetic=False)


def _moved(result: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    moved: dict[str, Any] = json.loads(json.dumps(result).replace(f"{before}/", f"{after}/"))
    return moved


def record_training(
    session: Session, run: JobRun, result: Mapping[str, Any], *, fingerprint: str
) -> None:
    """Keep what a training was asked for and what it brought, so that it is used again."""
    now = database_now(session)
    session.add(
        TuningRun(
            id=new_id(Prefix.TUNING_RUN),
            job_id=run.id,
            project_id=run.project_id,
            provider=LOCAL,
            state=OperationState.SUCCEEDED.value,
            phase=TrainingPhase.ENDED.value,
            resource_name=str(result["model"]),
            fingerprint=fingerprint,
            result=dict(result),
            intended_at=now,
            finished_at=now,
        )
    )
