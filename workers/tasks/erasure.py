"""Tasks of erasure: what deleted outputs have left outside the database."""

from service.erasure.pending import erase_due
from workers.app import app, container
from workers.sweep_task import left_to_the_next_message


@app.task(name="erasure.erase")
def erase() -> None:
    with left_to_the_next_message("erasure.erase"):
        erase_due(services=container().erasure)
