"""A worker: `python -m workers --queues evaluate,notify --concurrency 2 [--name NAME]`.

Celery's own command line takes the same, and each of its processes 20 MB more: it imports a shell,
and what importing leaves behind is not given back before the fork.
"""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.errors import TunecurveError
from workers.memory import EXTRAS, give_back, without

if TYPE_CHECKING:
    from celery import Celery

# Between two looks for garbage. Each call makes many objects, which nearly all go by themselves:
# at Python's 700 a worker spends a tenth of its computing on looking.
_YOUNG_OBJECTS = 10_000


def main(arguments: Sequence[str]) -> int:
    """Work until stopped; return the exit status."""
    os.umask(0o077)  # database and objects are for their owner
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        app = load_app(options.include)
    except TunecurveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    known = list(app.amqp.queues)
    if unknown := [name for name in options.queues if name not in known]:
        parser.error(f"no queue {unknown[0]!r}; known: {', '.join(known)}")
    try:
        slots = _take_slots(options.queues, options.concurrency)
    except TunecurveError as error:
        parser.error(error.message)
    worker = app.Worker(
        queues=options.queues,
        concurrency=slots,
        hostname=_full_name(options.name),
        pool_cls="prefork",
        quiet=True,  # the banner is printed, which ends a worker whose log is on a full disk
        without_mingle=True,  # queues, not gossip, keep a fleet together
        without_gossip=True,
        without_heartbeat=True,
    )
    gc.collect()
    give_back()
    gc.freeze()  # children share these pages as long as no reference of them is counted
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    worker.start()
    return int(worker.exitcode or 0)


def load_app(include: Sequence[str]) -> "Celery":
    """Import the app, its tasks and those of other modules, and Celery's worker."""
    with without(EXTRAS):
        import celery.apps.worker  # noqa: F401  here, so that what follows finds it imported

        from workers.app import app

        app.conf.include = [*app.conf.include, *include]
        # Celery imports these with the current folder first on the path, where a person's own
        # module may have the name of one that they need: here, it finds them imported.
        for module in app.conf.include:
            importlib.import_module(module)
    return app


def _take_slots(queues: Sequence[str], concurrency: str) -> int:
    from workers.app import settings
    from workers.gpu import take_slots

    return take_slots(queues, concurrency, local_models=settings.local_models)


def _full_name(name: str) -> str:
    """Return the name with its host, as Celery's command line spells it: %h is the host's."""
    from celery.utils.nodenames import default_nodename, host_format

    return str(host_format(default_nodename(name)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="A Tunecurve worker.")
    parser.add_argument("--queues", type=_names, required=True, help="such as evaluate,notify")
    parser.add_argument(
        "--concurrency",
        type=_concurrency,
        default="1",
        help="jobs at once (%(default)s); `gpus`: one for each GPU that is free here, or one",
    )
    parser.add_argument("--name", default="", help="its name in the log, such as evaluate1@%%h")
    parser.add_argument("--include", type=_names, default=[], help="modules with more tasks")
    return parser


def _concurrency(text: str) -> str:
    from workers.gpu import GPUS

    if text != GPUS:
        int(text)  # argparse refuses what it raises for
    return text


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
