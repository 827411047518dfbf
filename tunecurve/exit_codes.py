"""What the exit status of `tunecurve` tells a script."""

from enum import IntEnum


class ExitCode(IntEnum):
    """70 and 75 are those of sysexits.h, 124 that of timeout(1), 130 that of SIGINT."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    CONFLICT = 4
    SERVER = 5
    DEFECT = 70
    RATE_LIMITED = 75
    TIMEOUT = 124
    INTERRUPTED = 130


_CLIENT_ERRORS = range(400, 500)
_BY_STATUS = {
    401: ExitCode.CONFIGURATION,
    403: ExitCode.CONFIGURATION,
    404: ExitCode.CONFLICT,
    408: ExitCode.SERVER,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    429: ExitCode.RATE_LIMITED,
}


def exit_code_of_status(status: int) -> ExitCode:
    """Return the exit code of an HTTP error: other 4xx mean that the request was wrong."""
    fallback = ExitCode.USAGE if status in _CLIENT_ERRORS else ExitCode.SERVER
    return _BY_STATUS.get(status, fallback)
