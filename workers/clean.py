"""Delete what is ours by its labels and has no entry: `python -m workers.clean [--yes]`.

It runs on a machine of the installation, with its settings. Prints one line of JSON: what it found
and, with `--yes`, what could not be deleted.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from service.container import Container
from service.erasure.orphans import CleanServices, delete_orphans, find_orphans
from service.errors import TunecurveError
from service.logging import configure_logging
from service.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Look, delete where asked to, and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workers.clean", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="delete; without it only look")
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        configure_logging(log_format=settings.log_format, level="error")
        services = Container(settings)
        cleaning = CleanServices(
            services.sessions,
            lambda: [each.tunings for each in services.google.all()],
            lambda project_id: services.google.of(project_id).tunings,
            lambda: services.store,
            services.catalogue,
        )
        orphans = find_orphans(cleaning)
        failed = delete_orphans(orphans.found, cleaning) if options.yes else []
    except TunecurveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    report = {
        "deleted": options.yes,
        "found": [asdict(each) for each in orphans.found],
        "failed": [{**asdict(each), "error": error} for each, error in failed],
        "others": orphans.others,
    }
    sys.stdout.write(f"{json.dumps(report)}\n")
    services.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
