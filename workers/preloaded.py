"""What a worker imports that needs no settings: the embedded stack forks its programs from it."""

import importlib
import warnings

from workers.memory import EXTRAS, STORAGE_EXTRAS, without

MODULES = (
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "google.cloud.storage",
    "kombu.transport.redis",
    "redis.asyncio",
    "service.container",
    "service.migrations.upgrade",
    "sqlalchemy.dialects.sqlite.pysqlite",
)

with without(EXTRAS | STORAGE_EXTRAS), warnings.catch_warnings(action="ignore"):
    for _name in MODULES:
        importlib.import_module(_name)
