"""A resumable upload under way; it is known to the running server only and ends with it."""

from dataclasses import dataclass

from emulator.storage.objects import Draft, Preconditions, StoredObject
from emulator.storage.payloads import Payload


@dataclass(slots=True)
class ResumableUpload:
    """`stored` is set once the upload is complete."""

    draft: Draft
    preconditions: Preconditions
    payload: Payload
    stored: StoredObject | None = None
