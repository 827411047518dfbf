"""What a tuning names at Google, against what its project may use."""

from dataclasses import dataclass

from service.database import Session
from service.errors import Fault, Forbidden
from service.projects.access import (
    require_bucket,
    require_cloud_project,
    require_kms_key,
    require_tuning_account,
)
from service.tuning.schemas import TuneSpec
from service.tuning.spec_fields import ProviderEvaluationSpec

_EVALUATION = "/spec/evaluation"


@dataclass(frozen=True, slots=True)
class OwnPlace:
    """Where the installation itself keeps its objects, and the Google Cloud project it calls."""

    storage: str = ""
    cloud_project: str = ""


NOWHERE = OwnPlace()


def require_allowed(session: Session, spec: TuneSpec, *, project_id: str, place: OwnPlace) -> None:
    """Raise Forbidden for the first that the project may not use: service account, key, bucket,
    or Google Cloud project of a judge.
    """
    if spec.service_account is not None:
        pointer = "/spec/service_account"
        require_tuning_account(
            session, spec.service_account, project_id=project_id, pointer=pointer
        )
    if spec.kms_key_name is not None:
        pointer = "/spec/kms_key_name"
        require_kms_key(session, spec.kms_key_name, project_id=project_id, pointer=pointer)
    if spec.evaluation is not None:
        _require_evaluation(session, spec.evaluation, project_id=project_id, place=place)


def _require_evaluation(
    session: Session, evaluation: ProviderEvaluationSpec, *, project_id: str, place: OwnPlace
) -> None:
    _require_destination(
        session, evaluation.output_uri, storage=place.storage, project_id=project_id
    )
    if evaluation.autorater.model is not None:
        require_cloud_project(
            session,
            evaluation.autorater.model.split("/")[1],
            own=place.cloud_project,
            project_id=project_id,
            pointer=f"{_EVALUATION}/autorater/model",
        )


def _require_destination(session: Session, uri: str, *, storage: str, project_id: str) -> None:
    """Refuse results in our own folders, which are other projects' too, and in a bucket that is
    not listed for the project.
    """
    pointer = f"{_EVALUATION}/output_uri"
    if storage and f"{uri.rstrip('/')}/".startswith(f"{storage.rstrip('/')}/"):
        message = "the provider's results do not go into the service's own folder: name another"
        fault = Fault(pointer, "bucket_not_allowed", message)
        raise Forbidden(message, code="bucket_not_allowed", faults=[fault])
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    require_bucket(session, bucket, name, project_id=project_id, pointer=pointer)
