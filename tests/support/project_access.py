"""A project that may read every bucket and every dataset of the hub."""

from pathlib import Path

from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.projects.models import Project

PROJECT = "project"


def sessions_of_open_project(folder: Path) -> Sessions:
    """Return a database beside a test's folder that holds nothing but this project."""
    sessions = open_sessions(f"sqlite:///{folder.parent / folder.name}.db")
    with sessions.transaction() as session:
        Project.metadata.tables[Project.__tablename__].create(session.connection(), checkfirst=True)
        if session.get(Project, PROJECT) is None:
            project = Project(id=PROJECT, name=PROJECT, event_seq=0, created_at=utc_now())
            project.buckets, project.hub_datasets = ["*"], ["*"]
            session.add(project)
    return sessions
