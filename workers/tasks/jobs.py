"""Tasks of all jobs: the sweeps over paid operations and training curves that are due."""

from service.jobs.paid_operations.sweep import poll_operations
from service.tuning.curves.sweep import read_due_metrics
from workers.app import app, container
from workers.sweep_task import left_to_the_next_message


@app.task(name="jobs.poll_operations")
def poll() -> None:
    services = container()
    with left_to_the_next_message("jobs.poll_operations"):
        sessions, pace = services.sessions, services.pace
        poll_operations(services.polled_tables, sessions=sessions, pace=pace)
        account_of = services.google.account_of
        read_due_metrics(services.providers, account_of=account_of, sessions=sessions, pace=pace)
