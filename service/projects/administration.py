"""Projects as an administrator sees them: made, listed, looked at, changed."""

from collections.abc import Callable

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict, NotFound
from service.ids import Prefix, new_id
from service.projects import repository
from service.projects.models import Project
from service.projects.schemas import (
    DEFAULT_PROJECT,
    ProjectCreate,
    ProjectLimits,
    ProjectUpdate,
    ProjectView,
)

_NULLABLE = {"limits", "service_account"}


def create_project(wanted: ProjectCreate, *, sessions: Sessions) -> ProjectView:
    """Make a project. Raises Conflict `project_exists`."""
    row = Project(
        id=new_id(Prefix.PROJECT), event_seq=0, created_at=utc_now(), **wanted.model_dump()
    )
    with sessions.transaction() as session:
        if not repository.insert_project(session, row):
            message = f"there is a project named {wanted.name!r} already"
            raise Conflict(message, code="project_exists")
        return present_project(row)


def list_projects(*, after: str | None, limit: int, sessions: Sessions) -> list[ProjectView]:
    """Return a page of projects, newest first."""
    with sessions.reading() as session:
        rows = repository.page_of_projects(session, after=after, limit=limit)
        return [present_project(row) for row in rows]


def get_project(project_id: str, *, sessions: Sessions) -> ProjectView:
    """Return a project; raises NotFound `project_not_found`."""
    with sessions.reading() as session:
        return present_project(require_project(session, project_id))


def update_project(
    project_id: str,
    wanted: ProjectUpdate,
    *,
    count_open_jobs: Callable[[Session, str], int],
    sessions: Sessions,
) -> ProjectView:
    """Change what is given, at once for all that runs.

    Raises NotFound `project_not_found`, and Conflict `project_has_open_jobs` for another service
    account while jobs run: what one account has paid for, another may not find again.
    """
    with sessions.transaction() as session:
        repository.lock_project(session, project_id)
        row = require_project(session, project_id)
        for name, value in wanted.model_dump(exclude_none=True, exclude=_NULLABLE).items():
            setattr(row, name, value)
        if wanted.limits is not None:
            row.limits = wanted.limits.model_dump()
        account = wanted.service_account
        if "service_account" in wanted.model_fields_set and account != row.service_account:
            _require_idle(count_open_jobs(session, project_id))
            row.service_account = account
        session.flush()
        return present_project(row)


def _require_idle(open_jobs: int) -> None:
    if open_jobs:
        message = (
            f"{open_jobs} jobs of the project have not ended: another service account may not find "
            "what this one has paid for; wait for them, or cancel them"
        )
        raise Conflict(message, code="project_has_open_jobs")


def require_project(session: Session, project_id: str) -> Project:
    """Return a project's row, or raise NotFound `project_not_found`."""
    row = repository.find_project(session, project_id)
    if row is None:
        raise NotFound(f"no project {project_id}", code="project_not_found")
    return row


def close_project(session: Session, row: Project, *, dry_run: bool) -> None:
    """Let a project's keys open nothing any more; a dry run only says whether that may be.

    Raises Conflict `default_project`.
    """
    if row.name == DEFAULT_PROJECT:
        message = f"the project {row.name!r} administers all others and cannot be erased"
        raise Conflict(message, code="default_project")
    if not dry_run:
        row.erasing_at = row.erasing_at or utc_now()
        session.flush()


def limits_of(project_id: str, *, sessions: Sessions) -> ProjectLimits:
    """Return what bounds a project; raises NotFound `project_not_found`."""
    return get_project(project_id, sessions=sessions).limits


def service_account_of(project_id: str, *, sessions: Sessions) -> str:
    """Return the service account that a project's jobs call Google as; empty where that is the
    installation itself, and for a project that is not there any more.
    """
    with sessions.reading() as session:
        return repository.service_account_of(session, project_id) or ""


def service_accounts(*, sessions: Sessions) -> list[str]:
    """Return the service accounts of all projects, each once."""
    with sessions.reading() as session:
        return repository.service_accounts(session)


def present_project(row: Project) -> ProjectView:
    return ProjectView(
        id=row.id,
        name=row.name,
        buckets=row.buckets,
        hub_datasets=row.hub_datasets,
        tunings=row.tunings,
        tuning_service_accounts=row.tuning_service_accounts,
        kms_keys=row.kms_keys,
        service_account=row.service_account,
        limits=ProjectLimits.model_validate(row.limits),
        state="erasing" if row.erasing_at else "open",
        created_at=row.created_at,
    )
