"""Tasks of erasure: projects, and what deleted outputs have left outside the database."""

from service.erasure.pending_leftovers import erase_due
from service.erasure.projects import erase_closed_projects
from service.erasure.retention import purge_outdated
from workers.app import app, container
from workers.sweep_task import left_to_the_next_message


@app.task(name="erasure.erase")
def erase() -> None:
    with left_to_the_next_message("erasure.erase"):
        services = container()
        erase_due(services=services.erasure)
        erase_closed_projects(jobs=services.jobs, services=services.erasure)


@app.task(name="erasure.purge")
def purge() -> None:
    with left_to_the_next_message("erasure.purge"):
        services = container()
        purge_outdated(services.settings, services=services.erasure)
