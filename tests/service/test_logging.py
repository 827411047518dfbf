"""Logs where they cannot be written."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from service.logging import configure_logging
configure_logging(log_format={log_format!r}, level="info")
structlog.get_logger().warning("request_answered", status=200)
logging.error("the same of a library")
print("served")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("state", ["2>/dev/full", "2>&-"])
def test_a_log_that_cannot_be_written_ends_no_work(log_format: str, state: str) -> None:
    program = PROGRAM.format(log_format=log_format)
    command = ["/bin/sh", "-c", f'exec {sys.executable} -c "$0" {state}', program]

    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)

    assert ran.stdout == "served\n"
