"""Stored examples read in this process, to compare with what the service streams."""

from itertools import islice

from service.datasets.examples import Example, Split, example_of, stored_rows
from service.storage.ports import ObjectStore


def read_examples(
    examples_key: str, split: Split, *, store: ObjectStore, limit: int | None = None
) -> list[Example]:
    """Return the first `limit` examples of a split in stored order: nested order in `train`.

    Raises NotFound `object_not_found`, Unavailable.
    """
    with store.open(examples_key) as stream:
        return [example_of(row) for row in islice(stored_rows(stream, split=split), limit)]
