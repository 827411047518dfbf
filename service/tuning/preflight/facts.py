"""What is found out before a tuning is paid for: bucket, training file, tunings at the provider."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from service.catalogue.catalogue import Catalogue
from service.errors import NotFound, TunecurveError
from service.settings import Settings
from service.storage.addresses import GS_URI
from service.storage.gcs import GcsStore
from service.storage.ports import BucketAccess
from service.tuning.preflight.findings import (
    FindingState,
    PreflightFacts,
    PreflightFinding,
    examine,
    require_ready,
)

log = structlog.get_logger()

Answer = TypeVar("Answer")

_RETRY_SECONDS = 10.0


class Bucket(Protocol):
    """A bucket of others or ours; each raises ProviderRefused and Unavailable."""

    def access(self) -> BucketAccess:
        """Return what we may do there; raises BucketNotFound."""
        ...

    def size(self, key: str) -> int | None: ...


class OpenTunings(Protocol):
    def count(self, *, most: int | None) -> int:
        """Return how many tunings have not ended, `most` where there are more; None looks at the
        newest ones only. Raises Forbidden, NotFound, RateLimited, Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Preflight:
    """Asks, and pays for nothing. `storage` is where datasets go; `most_open` is the quota of
    tunings at once, None: not limited.
    """

    catalogue: Catalogue
    storage: str
    most_open: int | None
    open_bucket: Callable[[str], Bucket]
    open_tunings: Callable[[], OpenTunings]

    def findings(
        self, base_model: str, *, training_uri: str | None = None
    ) -> list[PreflightFinding]:
        """Return all findings of tunings of a base model, of one file where it is named."""
        return examine(self._facts(base_model, training_uri))

    def require(self, base_model: str, *, training_uri: str | None = None) -> None:
        """Raise Invalid where a tuning cannot work. What gave no answer is left to the tuning,
        which waits for its provider.
        """
        findings = self.findings(base_model, training_uri=training_uri)
        for each in findings:
            if each.state is FindingState.UNKNOWN:
                log.warning("preflight_unanswered", check=each.check, code=each.code)
        require_ready(findings)

    def _facts(self, base_model: str, training_uri: str | None) -> PreflightFacts:
        places = self.catalogue.places
        address = GS_URI.fullmatch(training_uri or self.storage)
        bucket = _answer(lambda: self.open_bucket(address[1])) if address else None
        return PreflightFacts(
            base_model=base_model,
            region=places.tuning,
            regions=self.catalogue.entry(base_model).tuning.regions,
            emulated=places.emulated,
            storage=training_uri or self.storage,
            bucket=_asked(bucket, lambda found: found.access()),
            training_bytes=_asked(bucket, lambda found: _size(found, address[2] if address else ""))
            if training_uri
            else None,
            open_tunings=_answer(lambda: self.open_tunings().count(most=self.most_open)),
            most_open=self.most_open,
        )


def open_preflight(
    settings: Settings,
    *,
    project: str,
    account: str,
    catalogue: Catalogue,
    most_open: int | None,
) -> Preflight:
    """Return the preflight of Vertex AI for a Google Cloud project, as a service account unless
    that is empty; nothing is opened yet.
    """
    return Preflight(
        catalogue=catalogue,
        storage=settings.resolved_storage,
        most_open=most_open,
        open_bucket=lambda name: GcsStore(
            name, "", project=project, account=account, retry_seconds=_RETRY_SECONDS
        ),
        open_tunings=lambda: _open_tunings(settings, project, account),
    )


def _open_tunings(settings: Settings, project: str, account: str) -> OpenTunings:
    from service.tuning.providers.vertex_rest import VertexOpenTunings

    return VertexOpenTunings(
        project=project,
        location=settings.location,
        endpoint=settings.vertex_endpoint,
        account=account,
    )


def _size(bucket: Bucket, name: str) -> int:
    size = bucket.size(name)
    if size is None:
        message = "it is not there any more: prepare the dataset anew"
        raise NotFound(message, code="training_file_not_found")
    return size


def _asked(
    bucket: Bucket | TunecurveError | None, ask: Callable[[Bucket], Answer]
) -> Answer | TunecurveError | None:
    if bucket is None or isinstance(bucket, TunecurveError):
        return bucket
    return _answer(lambda: ask(bucket))


def _answer(ask: Callable[[], Answer]) -> Answer | TunecurveError:
    try:
        return ask()
    except TunecurveError as error:
        return error
