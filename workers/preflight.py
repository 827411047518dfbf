"""Say whether a tuning would work here: `python -m workers.preflight`.

It runs on a machine of the installation, with its settings, and pays for nothing. Prints one line
of JSON: a list of findings of the default base model.
"""

import json
import sys
from dataclasses import asdict

from service.container import Container
from service.errors import TunecurveError
from service.logging import configure_logging
from service.settings import read_settings


def main() -> int:
    """Ask and print; return the exit status."""
    try:
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level="error")
        services = Container(settings)
        findings = services.google.of("").preflight.findings(settings.base_model)
    except TunecurveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{json.dumps([asdict(each) for each in findings])}\n")
    services.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
