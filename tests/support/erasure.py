"""Deleting an output as the API does, with a store and a database only."""

from typing import Any

from service.database import Sessions
from service.erasure.erasers import erasure_services
from service.erasure.operations import delete_output
from service.erasure.ports import ErasureServices
from service.storage.ports import ObjectStore


def erasure_of(sessions: Sessions, store: ObjectStore) -> ErasureServices:
    """Return services without a provider."""
    return erasure_services(sessions, store=lambda: store, providers=_none, batches=_none)


def _none(_project_id: str) -> Any:
    raise AssertionError("no provider in this test")


def delete(output_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore) -> None:
    delete_output(output_id, project_id=project_id, services=erasure_of(sessions, store))
