"""Projects as an administrator sees them: made, listed, looked at, changed."""

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


def update_project(project_id: str, wanted: ProjectUpdate, *, sessions: Sessions) -> ProjectView:
    """Change what is given, at once for all that runs. Raises NotFound `project_not_found`."""
    with sessions.transaction() as session:
        row = require_project(session, project_id)
        for name, value in wanted.model_dump(exclude_none=True, exclude={"limits"}).items():
            setattr(row, name, value)
        if wanted.limits is not None:
            row.limits = wanted.limits.model_dump()
        session.flush()
        return present_project(row)


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


def present_project(row: Project) -> ProjectView:
    return ProjectView(
        id=row.id,
        name=row.name,
        buckets=row.buckets,
        hub_datasets=row.hub_datasets,
        tunings=row.tunings,
        limits=ProjectLimits.model_validate(row.limits),
        state="erasing" if row.erasing_at else "open",
        created_at=row.created_at,
    )
