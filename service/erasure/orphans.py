"""What lies at the provider or in the store, is ours by its labels, and has no entry any more."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from service.catalogue.catalogue import Catalogue
from service.database import Sessions, database_now
from service.erasure import repository
from service.errors import TunecurveError
from service.ids import is_older
from service.projects.audit import write_entry
from service.storage.ports import ObjectStore
from service.tuning.ports import MadeResource, MadeResources
from service.tuning.staged_inputs import FOLDER

log = structlog.get_logger()

ACTION = "clean"
_GRACE = timedelta(hours=1)  # an upload is stored before its entry is written
_DEPTH = 4  # projects/<project>/<collection>/<output>/…


@dataclass(frozen=True, slots=True)
class Orphan:
    """One thing that `clean` deletes, and why; `name` is a resource, or a folder of the store."""

    kind: Literal["endpoint", "model", "object", "folder"]
    name: str
    project: str
    reason: str


@dataclass(frozen=True, slots=True)
class Orphans:
    """What has no entry; `others` counts what another installation may own: it is left alone."""

    found: tuple[Orphan, ...]
    others: int


@dataclass(frozen=True, slots=True)
class CleanServices:
    """What `clean` works with; adapters are opened at the first use.

    `providers` are those of every identity that calls Google, `provider` a project's, by its id.
    """

    sessions: Sessions
    providers: Callable[[], Sequence[MadeResources]]
    provider: Callable[[str], MadeResources]
    store: Callable[[], ObjectStore]
    catalogue: Catalogue


def find_orphans(services: CleanServices) -> Orphans:
    """Return what has no entry in the database.

    Ours is only what names a project that the database has: projects' ids are unique, so of two
    installations on one Google project or bucket neither sees the other's. The provider is listed
    before the database is read: whatever is being made has its entry by then. Raises what a
    TuningProvider and an ObjectStore raise: half a list is none.
    """
    catalogue = services.catalogue
    locations = {catalogue.tuned_location(entry.name) for entry in catalogue}
    places = {catalogue.places.tuning, *locations}
    listed = [each for provider in services.providers() for each in provider.made(places)]
    made = list({each.name: each for each in listed}.values())  # two may see the same
    keys = services.store().keys_below("projects")
    folders, staged = list(_folders(keys)), list(_staged(keys))
    with services.sessions.reading() as session:
        now = database_now(session)
        projects = repository.project_ids(session)
        runs = repository.tuning_run_ids(session)
        open_runs = repository.open_tuning_run_ids(session)
        outputs = repository.output_ids(session)
    ours = [each for each in made if each.project_id in projects]
    our_folders = [each for each in folders if each.project in projects]
    found = (
        *_resources(ours, runs=runs),
        *(
            _objects(each)
            for each in our_folders
            if each.output not in outputs and is_older(each.output, now - _GRACE)
        ),
        *(
            Orphan("folder", each.name, each.project, f"the tuning {each.output} has ended")
            for each in staged
            if each.project in projects
            and each.output not in open_runs
            and is_older(each.output, now - _GRACE)
        ),
    )
    others = len(made) - len(ours) + len(folders) - len(our_folders)
    return Orphans(found, others)


def delete_orphans(found: Sequence[Orphan], services: CleanServices) -> list[tuple[Orphan, str]]:
    """Delete orphans, endpoints before models; return those that could not be, and why.

    Each is in the audit trail; one that is gone already is fine.
    """
    failed = []
    for orphan in found:
        try:
            _delete(orphan, services)
        except TunecurveError as error:
            failed.append((orphan, error.message))
            continue
        with services.sessions.transaction() as session:
            write_entry(session, ACTION, project_id=orphan.project, key_id=None, target=orphan.name)
        log.info("orphan_deleted", kind=orphan.kind, name=orphan.name)
    return failed


def _delete(orphan: Orphan, services: CleanServices) -> None:
    match orphan.kind:
        case "object":
            services.store().delete(orphan.name)
        case "folder":
            services.store().delete_below(orphan.name)
        case _:
            services.provider(orphan.project).delete(orphan.name)


def _resources(made: Iterable[MadeResource], *, runs: set[str]) -> Iterator[Orphan]:
    for each in made:
        if each.run_id not in runs:
            reason = f"its tuning run {each.run_id} has no entry"
            kind: Literal["endpoint", "model"] = (
                "endpoint" if "/endpoints/" in each.name else "model"
            )
            yield Orphan(kind, each.name, each.project_id, reason)


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    project: str
    output: str
    is_object: bool  # a file is one object, without a folder


def _folders(keys: Iterable[str]) -> Iterator[_Folder]:
    """Yield the folders of outputs that hold any of the keys, each once."""
    seen: set[str] = set()
    for key in keys:
        parts = key.split("/")
        name = "/".join(parts[:_DEPTH])
        if len(parts) >= _DEPTH and name not in seen:
            seen.add(name)
            yield _Folder(name, parts[1], parts[3], is_object=len(parts) == _DEPTH)


def _staged(keys: Iterable[str]) -> Iterator[_Folder]:
    """Yield the folders of rows that were copied for a tuning, each once."""
    names = {"/".join(parts[:6]) for key in keys if (parts := key.split("/"))[4:5] == [FOLDER]}
    for name in sorted(names):
        parts = name.split("/")
        yield _Folder(name, parts[1], parts[5], is_object=False)


def _objects(folder: _Folder) -> Orphan:
    kind: Literal["object", "folder"] = "object" if folder.is_object else "folder"
    return Orphan(kind, folder.name, folder.project, f"{folder.output} has no entry")
