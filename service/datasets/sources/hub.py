"""Rows of a public dataset on the Hugging Face hub, at one commit; its code is never run."""

from collections.abc import Iterator
from urllib.parse import quote

from service.database import Session
from service.datasets.formats.class_names import ClassNames
from service.datasets.formats.options import format_of_name
from service.datasets.sources.hub_client import HubClient
from service.datasets.sources.hub_files import (
    CARD,
    CARD_BYTES,
    check_paths,
    declared_class_names,
    select_files,
)
from service.datasets.sources.schemas import HubSource
from service.datasets.sources.source import Files, SourceAccess, SourceFile, missing_input
from service.errors import NotFound, Unavailable
from service.projects.access import require_hub_dataset

_POINTER = "/spec/source/repo"
_FILES = 200


class HubDataset:
    def check(self, source: HubSource, *, project_id: str, session: Session) -> None:
        """Whether it exists is asked later, outside the transaction."""
        check_paths(source.files, pointer="/spec/source/files")
        require_hub_dataset(session, source.repo, project_id=project_id, pointer=_POINTER)

    def open(self, source: HubSource, *, access: SourceAccess) -> Files:
        with access.sessions.reading() as session:  # it may be allowed no more
            self.check(source, project_id=access.project_id, session=session)
        hub = access.hub
        try:
            names = _names(source, hub)
            card = _card(source, hub) if CARD in names else ""
        except NotFound as error:
            raise missing_input(error.message, pointer=_POINTER) from error
        files = select_files(source, names, card, limit=_FILES)
        return Files(_opened(files, source, hub, declared_class_names(source, card)))


def _names(source: HubSource, hub: HubClient) -> list[str]:
    about = hub.json(f"/api/datasets/{source.repo}/revision/{source.revision}")
    siblings = about.get("siblings") if isinstance(about, dict) else None
    if not isinstance(siblings, list) or about.get("sha") != source.revision:
        message = "the hub did not answer for the commit that was asked for"
        raise Unavailable(message, code="hub_unavailable")
    return [str(each.get("rfilename", "")) for each in siblings if isinstance(each, dict)]


def _card(source: HubSource, hub: HubClient) -> str:
    return hub.read(_path(source, CARD), limit_bytes=CARD_BYTES).decode("utf-8", "replace")


def _path(source: HubSource, name: str) -> str:
    return f"/datasets/{source.repo}/resolve/{source.revision}/{quote(name)}"


def _opened(
    names: list[str], source: HubSource, hub: HubClient, class_names: ClassNames
) -> Iterator[SourceFile]:
    for name in names:
        file_format = source.format.name or format_of_name(name, pointer="/spec/source/files")
        yield SourceFile(hub.chunks(_path(source, name)), file_format, class_names)
