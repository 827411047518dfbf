"""What SQLAlchemy has compiled for the database of one test serves those of the others.

Each test has an engine of its own, whose statements would be compiled anew: 7 ms of computing.
"""

from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

import service.database

_first: dict[str, Engine] = {}


def share_compiled_sql() -> None:
    """Have all engines of one kind of database use the first one's dialect and statements."""
    pytest.MonkeyPatch().setattr(service.database, "create_engine", _create_engine)


def _create_engine(*address: Any, **options: Any) -> Engine:
    engine = create_engine(*address, **options)
    if first := _first.get(engine.name):
        engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    else:  # a dialect is complete once it has seen its server
        event.listen(engine, "connect", lambda *_: _first.setdefault(engine.name, engine))
    return engine
