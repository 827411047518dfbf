"""How each kind of leftover is erased; a second call finds nothing and is fine."""

from collections.abc import Callable

from service.database import Sessions
from service.erasure.ports import ErasureServices
from service.errors import Unavailable
from service.inference.batches.ports import BatchProvider
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.ports import ObjectStore
from service.tuning.ports import Providers


def erasure_services(
    sessions: Sessions,
    *,
    store: Callable[[], ObjectStore],
    providers: Providers,
    batches: Callable[[str], BatchProvider],
) -> ErasureServices:
    """Return what deleting works with; each adapter is opened at the first use."""

    def delete_tuned(leftover: Leftover, project_id: str) -> None:
        providers(project_id).find(leftover.provider).delete(leftover.target)

    def discard(_leftover: Leftover, _project_id: str) -> None:
        if not sessions.discard_deleted():
            raise Unavailable("the database is being read; try again", code="database_busy")

    return ErasureServices(
        sessions,
        {
            LeftoverKind.FOLDER: lambda each, _: store().delete_below(each.target),
            LeftoverKind.OBJECT: lambda each, _: store().delete(each.target),
            LeftoverKind.TUNED: delete_tuned,
            LeftoverKind.BATCH: lambda each, project: batches(project).delete(each.target),
            LeftoverKind.DATABASE: discard,
        },
    )
