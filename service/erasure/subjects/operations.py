"""`find_subject`: where a text stands, some seconds of looking at a time."""

import base64
import contextlib
import json
import time
from typing import Any

from service.database import Sessions
from service.erasure.subjects.needle import Needle
from service.erasure.subjects.schemas import SubjectPlace, SubjectSearch
from service.erasure.subjects.stored_objects import object_keys, object_search
from service.erasure.subjects.stored_rows import is_position, search_table, table_names
from service.errors import Fault, Invalid
from service.storage.ports import ObjectStore

_SECONDS = 5.0
_OBJECTS = "objects"  # the last place, after all tables


def find_subject(
    text: str,
    *,
    after: str | None,
    sessions: Sessions,
    store: ObjectStore,
    seconds: float = _SECONDS,
) -> SubjectSearch:
    """Look for a text in every table and every object; stop after some seconds, and say where.

    Raises Invalid `invalid_cursor`. Writes and logs nothing.
    """
    search = _Search(text, sessions, store, seconds)
    return search.go_on(*_cursor_of(after))


class _Search:
    def __init__(self, text: str, sessions: Sessions, store: ObjectStore, seconds: float) -> None:
        self._text, self._needle = text, Needle(text)
        self._sessions, self._store = sessions, store
        self._until = time.monotonic() + seconds
        self._found = SubjectSearch(places=[], rows=0, objects=0, unread=[], next=None)

    def go_on(self, stage: str, position: Any) -> SubjectSearch:
        """Look from a position in a stage on; the stages follow each other."""
        stages = _stages()
        for name in stages[stages.index(stage) :]:
            if not self._look(name, position if name == stage else None):
                break
        return self._found

    def _look(self, stage: str, position: Any) -> bool:
        """Look into a stage; return False once the time is over, with `next` set."""
        return self._objects(position) if stage == _OBJECTS else self._table(stage, position)

    def _table(self, name: str, position: Any) -> bool:
        while True:
            with self._sessions.reading() as session:
                places, rows, position = search_table(session, name, self._needle, after=position)
            self._found.places += places
            self._found.rows += rows
            if time.monotonic() >= self._until:
                following = _stages()[_stages().index(name) + 1]
                self._found.next = _cursor([name, position] if position else [following, None])
                return False
            if position is None:
                return True

    def _objects(self, after: str | None) -> bool:
        keys = object_keys(self._store, after=after)
        with object_search(self._text, self._store) as search:
            for number, key in enumerate(keys, start=1):
                self._record(key, search.count(key))
                if time.monotonic() >= self._until and number < len(keys):
                    self._found.next = _cursor([_OBJECTS, key])
                    return False
        return True

    def _record(self, key: str, count: int | None) -> None:
        self._found.objects += 1
        if count is None:
            self._found.unread.append(key)
        elif count:
            self._found.places.append(
                SubjectPlace(
                    kind="object",
                    id=key,
                    project_id=key.split("/")[1] if key.startswith("projects/") else None,
                    field="content",
                    count=count,
                )
            )


def _stages() -> list[str]:
    return [*table_names(), _OBJECTS]


def _cursor(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _cursor_of(text: str | None) -> tuple[str, Any]:
    if text is None:
        return _stages()[0], None
    with contextlib.suppress(ValueError, TypeError):
        stage, position = json.loads(base64.urlsafe_b64decode(text))
        if stage in _stages() and (position is None or _is_position(stage, position)):
            return stage, position
    message = "`after` is no `next` of an answer before"
    fault = Fault("/after", "invalid_cursor", message)
    raise Invalid(message, code="invalid_cursor", faults=[fault])


def _is_position(stage: str, value: Any) -> bool:
    return isinstance(value, str) if stage == _OBJECTS else is_position(stage, value)
