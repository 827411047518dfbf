"""Rows and SQL are private to their room: others use its operations, ports, schemas and values."""

import re
from collections.abc import Iterable

import grimp

PRIVATE = re.compile(r"service\.(\w+)\.(models|repository|\w+_repository)")
READS_ALL_ROOMS = {"migrations", "reports"}

Import = tuple[str, str]


def foreign_imports(imports: Iterable[Import]) -> list[Import]:
    """Return the imports of another room's private modules, each as importer and imported.

    A module of rows may import another one: a row can inherit columns.
    """
    return [
        (importer, imported) for importer, imported in imports if _is_foreign(importer, imported)
    ]


def _is_foreign(importer: str, imported: str) -> bool:
    private = PRIVATE.fullmatch(imported)
    room = importer.split(".")[1] if importer.startswith("service.") else importer
    if private is None or room == private[1] or room in READS_ALL_ROOMS:
        return False
    return not (importer.endswith(".models") and private[2] == "models")


def test_rows_and_sql_are_imported_in_their_own_room_only() -> None:
    graph = grimp.build_graph("service", "api", "workers", cache_dir=None)
    imports = [
        (importer, imported)
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
    ]

    assert foreign_imports(imports) == []


def test_a_planted_import_is_found() -> None:
    planted = [
        ("service.evaluation.scoring", "service.datasets.models"),
        ("service.jobs.dispatch", "service.files.repository"),
        ("workers.ticker", "service.webhooks.models"),
        ("api.routes.files", "service.files.models"),
    ]
    fine = [
        ("service.files.operations", "service.files.repository"),
        ("service.reports.jobs", "service.jobs.models"),
        ("service.tuning.models", "service.jobs.models"),
        ("api.routes.files", "service.files.operations"),
    ]

    assert foreign_imports([*planted, *fine]) == planted
