"""How each kind of leftover is erased; a second call finds nothing and is fine."""

from collections.abc import Callable

from service.database import Sessions
from service.erasure.ports import ErasureServices
from service.errors import Unavailable
from service.inference.batches.ports import BatchProvider
from service.registry import Registry
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.ports import ObjectStore
from service.tuning.ports import TuningProvider


def erasure_services(
    sessions: Sessions,
    *,
    store: Callable[[], ObjectStore],
    providers: Callable[[], Registry[TuningProvider]],
    batches: Callable[[], BatchProvider],
) -> ErasureServices:
    """Return what deleting works with; each adapter is opened at the first use."""

    def discard(_: Leftover) -> None:
        if not sessions.discard_deleted():
            raise Unavailable("the database is being read; try again", code="database_busy")

    return ErasureServices(
        sessions,
        {
            LeftoverKind.FOLDER: lambda each: store().delete_below(each.target),
            LeftoverKind.OBJECT: lambda each: store().delete(each.target),
            LeftoverKind.TUNED: lambda each: providers().find(each.provider).delete(each.target),
            LeftoverKind.BATCH: lambda each: batches().delete(each.target),
            LeftoverKind.DATABASE: discard,
        },
    )
