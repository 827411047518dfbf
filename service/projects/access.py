"""What of others' a project may use: all projects call Google as one identity.

A pattern is `*` for all, a name, or the beginning of one and `/*`.
"""

from collections.abc import Iterable

from service.database import Session
from service.errors import Fault, Forbidden, NotFound
from service.projects import repository
from service.projects.models import Project
from service.projects.service_accounts import cloud_project_of

EVERYTHING = "*"


def is_allowed(name: str, patterns: Iterable[str]) -> bool:
    """Return whether any pattern covers the name; pure."""
    return any(
        pattern in {EVERYTHING, name} or (pattern.endswith("/*") and name.startswith(pattern[:-1]))
        for pattern in patterns
    )


def require_bucket(
    session: Session, bucket: str, name: str, *, project_id: str, pointer: str
) -> None:
    """Raise Forbidden `bucket_not_allowed` unless the project may read an object of a bucket."""
    patterns = _project(session, project_id).buckets
    if bucket not in patterns and not is_allowed(f"{bucket}/{name}", patterns):
        raise _refusal("bucket_not_allowed", f"the bucket {bucket}", pointer)


def require_hub_dataset(session: Session, repo: str, *, project_id: str, pointer: str) -> None:
    """Raise Forbidden `hub_dataset_not_allowed` unless the project may read a dataset."""
    if not is_allowed(repo, _project(session, project_id).hub_datasets):
        raise _refusal("hub_dataset_not_allowed", f"the hub dataset {repo}", pointer)


def require_tuning_account(
    session: Session, account: str, *, project_id: str, pointer: str
) -> None:
    """Raise Forbidden `service_account_not_allowed` unless a tuning may run as an account."""
    if not is_allowed(account, _project(session, project_id).tuning_service_accounts):
        raise _refusal("service_account_not_allowed", f"the service account {account}", pointer)


def require_kms_key(session: Session, key: str, *, project_id: str, pointer: str) -> None:
    """Raise Forbidden `kms_key_not_allowed` unless a tuning may be encrypted with a key."""
    if not is_allowed(key, _project(session, project_id).kms_keys):
        raise _refusal("kms_key_not_allowed", f"the key {key}", pointer)


def require_cloud_project(
    session: Session, named: str, *, own: str, project_id: str, pointer: str
) -> None:
    """Raise Forbidden `cloud_project_not_allowed` for another Google Cloud project than the one
    that is called for a project: `own`, or that of its service account.
    """
    account = _project(session, project_id).service_account
    called = cloud_project_of(account) if account else own
    if named != called:
        words = f"the Google Cloud project {named}: its jobs call {called}"
        raise _refusal("cloud_project_not_allowed", words, pointer)


def require_tuning(session: Session, resource_name: str, *, project_id: str) -> None:
    """Raise NotFound `tuning_not_found`, as for one that is not there, unless it is allowed."""
    if not is_allowed(resource_name, _project(session, project_id).tunings):
        raise no_such_tuning()


def no_such_tuning() -> NotFound:
    """Return the one answer about a tuning that is not there, and of one that is not allowed."""
    message = "no such tuning of this project; an administrator can allow others' tunings to it"
    return NotFound(message, code="tuning_not_found")


def _project(session: Session, project_id: str) -> Project:
    project = repository.find_project(session, project_id)
    if project is None:
        raise NotFound(f"no project {project_id}", code="project_not_found")
    return project


def _refusal(code: str, what: str, pointer: str) -> Forbidden:
    message = f"this project may not use {what}; an administrator can allow it to the project"
    return Forbidden(message, code=code, faults=[Fault(pointer, code, message)])
