"""Which collection of the API an id belongs to, by its prefix."""

from tunecurve.errors import UsageError

_COLLECTIONS = {
    "job": "jobs",
    "file": "files",
    "ds": "datasets",
    "model": "models",
    "eval": "evaluations",
    "exp": "experiments",
    "wh": "webhooks",
    "key": "keys",
}


def collection_of(identifier: str) -> str:
    """Return the collection, such as `experiments` for `exp_…`; raises UsageError otherwise."""
    collection = _COLLECTIONS.get(identifier.partition("_")[0])
    if collection is None or not identifier.replace("_", "").isalnum():
        known = ", ".join(f"{prefix}_…" for prefix in _COLLECTIONS)
        raise UsageError(f"{identifier!r} is not an id; known kinds: {known}")
    return collection
