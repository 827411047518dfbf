"""Erasing a project: closed at once; the sweep stops its jobs and deletes until it is gone."""

from contextlib import suppress

import structlog

from service.database import Sessions
from service.erasure import project_repository
from service.erasure.operations import delete_job, delete_output
from service.erasure.pending_leftovers import erase_here, note_leftovers
from service.erasure.ports import ErasureServices
from service.erasure.repository import outputs
from service.erasure.schemas import ProjectContents, ProjectErasure
from service.errors import Conflict, NotFound
from service.ids import Prefix
from service.jobs.lifecycle import OPEN
from service.jobs.operations import cancel_job
from service.jobs.ports import JobServices
from service.projects.administration import close_project, require_project
from service.projects.operations import lock_project
from service.storage.leftovers import Leftover, LeftoverKind

log = structlog.get_logger()

_AT_ONCE = 100  # so that one message of the sweep ends soon; the ticker sends the next
_IN_ORDER = (Prefix.EXPERIMENT, Prefix.EVALUATION, Prefix.MODEL, Prefix.DATASET, Prefix.FILE)


def erase_project(project_id: str, *, dry_run: bool, sessions: Sessions) -> ProjectErasure:
    """Close a project for good, to be erased by the sweep; return what it holds.

    `dry_run` changes nothing. A second call changes nothing. Raises NotFound
    `project_not_found`, and Conflict `default_project`.
    """
    with sessions.transaction() as session:
        row = require_project(session, project_id)
        close_project(session, row, dry_run=dry_run)
        held = project_repository.contents(session, project_id, open_states=OPEN)
        return ProjectErasure(
            id=row.id,
            name=row.name,
            state="erasing" if row.erasing_at else "planned",
            contents=ProjectContents.model_validate(held),
        )


def has_closed_projects(*, sessions: Sessions) -> bool:
    """Return whether any project is to be erased."""
    with sessions.reading() as session:
        return bool(project_repository.closed(session))


def erase_closed_projects(*, jobs: JobServices, services: ErasureServices) -> None:
    """Continue with every project that is to be erased.

    Its row goes last, once nothing is left at a provider either: until then it is shown.
    """
    with services.sessions.reading() as session:
        closed = project_repository.closed(session)
    for project_id in closed:
        if not _stop_jobs(project_id, jobs=jobs) and not _delete_some(project_id, services):
            _remove(project_id, services)


def _stop_jobs(project_id: str, *, jobs: JobServices) -> bool:
    """Ask a project's jobs to stop; return whether there were any."""
    with jobs.sessions.reading() as session:
        found = project_repository.open_jobs(session, project_id, open_states=OPEN)
    for job_id in found:
        with suppress(Conflict, NotFound):  # it has just ended
            cancel_job(job_id, project_id=project_id, services=jobs)
    return bool(found)


def _delete_some(project_id: str, services: ErasureServices) -> bool:
    """Delete some of a project's outputs, or else of its jobs; return whether there were any."""
    with services.sessions.transaction() as session:
        project_repository.remove_aliases(session, project_id)
    with services.sessions.reading() as session:
        found = [
            output_id
            for prefix in _IN_ORDER
            for output_id, _ in outputs(session, prefix, project_id=project_id, limit=_AT_ONCE)
        ]
        jobs = project_repository.submitted_jobs(session, project_id, limit=_AT_ONCE)
    for each in found or jobs:
        try:
            if found:
                delete_output(each, project_id=project_id, services=services)
            else:
                delete_job(each, project_id=project_id, services=services)
        except NotFound:
            continue  # another sweep was faster
        except Conflict as error:
            log.warning("project_erasure_held", project=project_id, id=each, code=error.code)
    return bool(found or jobs)


def _remove(project_id: str, services: ErasureServices) -> None:
    with services.sessions.transaction() as session:
        lock_project(session, project_id)
        held = project_repository.contents(session, project_id, open_states=OPEN)
        if held["jobs"] or held["files"] or project_repository.is_pending(session, project_id):
            return
        project_repository.remove(session, project_id)
        folder = Leftover(LeftoverKind.FOLDER, f"projects/{project_id}")
        pending = note_leftovers(session, [folder], output=project_id, project_id=project_id)
    erase_here(pending, services=services)
    log.info("project_erased", project=project_id)
