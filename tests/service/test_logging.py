"""Logs where they cannot be written."""

import json
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


HOSTILE = "a\x1b[31mred\r\n2026-11-29 00:00:00 [info] forged\x9b2J\u202ereversed\u2028\x85end"
FORGING = """
import logging, structlog, sys
from service.logging import configure_logging
configure_logging(log_format=sys.argv[1], level="info")
log = structlog.get_logger().bind(request_id={hostile!r})
log.warning("request_answered", name={hostile!r}, labels={{"team": {hostile!r}}})
logging.error("of a library: %s", {hostile!r})
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_value_forges_a_line_or_moves_the_cursor(log_format: str) -> None:
    program = FORGING.format(hostile=HOSTILE)

    command = [sys.executable, "-c", program, log_format]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)

    lines = ran.stderr.splitlines()
    assert len(lines) == 2
    assert [each for line in lines for each in line if not each.isprintable()] == []
    assert all("forged" in line for line in lines)
    if log_format == "json":
        assert json.loads(lines[0])["name"] == HOSTILE
