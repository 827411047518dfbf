"""Tasks of all jobs: the sweep over paid operations that are due for a poll."""

from service.jobs.paid_operation_sweep import poll_operations
from workers.app import app, container
from workers.sweep_task import left_to_the_next_message


@app.task(name="jobs.poll_operations")
def poll() -> None:
    services = container()
    with left_to_the_next_message("jobs.poll_operations"):
        poll_operations(services.polled_tables, sessions=services.sessions, pace=services.pace)
