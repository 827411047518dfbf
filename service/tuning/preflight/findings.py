"""Whether a tuning would work here, judged from what was found out before anything is paid. Pure.

What Google says of the place of a tuning's bucket was not found: that its files should not leave
their continent is our reading.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.errors import Fault, Invalid, TunecurveError
from service.storage.ports import BucketAccess

_NEEDED = ("objects.get", "objects.list", "objects.create", "objects.delete")
_CONTINENTS = {
    **dict.fromkeys(("us", "nam", "northamerica"), "US"),
    **dict.fromkeys(("eu", "eur", "europe"), "EU"),
    "asia": "ASIA",
}


class FindingState(StrEnum):
    """`warn` keeps no tuning from working; `unknown`: no answer came, which may pass."""

    OK = "ok"
    WARN = "warn"
    UNKNOWN = "unknown"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class PreflightFinding:
    """The result of one check; `detail` has the cause and the fix."""

    check: str
    state: FindingState
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """What was found out; an error stands where the answer was one.

    `storage` is the address of the training file, or where one will be; `bucket` is None where that
    is not in Cloud Storage, `training_bytes` where there is no file yet. `regions` are where the
    base model is tuned, none where that is not known; `open_tunings` are those of the region.
    """

    base_model: str
    region: str
    regions: Sequence[str]
    emulated: bool
    storage: str
    bucket: BucketAccess | TunecurveError | None
    training_bytes: int | TunecurveError | None
    open_tunings: int | TunecurveError
    most_open: int | None


def examine(facts: PreflightFacts) -> list[PreflightFinding]:
    """Return a finding for each check that the facts allow."""
    return [*_region(facts), *_bucket(facts), *_training_file(facts), *_tunings(facts)]


def require_ready(findings: Sequence[PreflightFinding]) -> None:
    """Raise Invalid, with a fault for each, where findings say that a tuning cannot work."""
    failed = [each for each in findings if each.state is FindingState.FAIL]
    if failed:
        faults = [Fault("", each.code, f"{each.check}: {each.detail}") for each in failed]
        words = "; ".join(fault.message for fault in faults)
        message = f"nothing was sent or paid, for the tuning cannot work: {words}"
        raise Invalid(message, code=failed[0].code, faults=faults)


def _region(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    known = ", ".join(facts.regions)
    if facts.regions and facts.region not in facts.regions:
        detail = (
            f"{facts.base_model} is tuned in {known}, not in {facts.region}: set TUNECURVE_LOCATION"
        )
        yield _failed("region", "region_not_tunable", detail)
        return
    unknown = "" if facts.regions else "; where it can be is not in the catalogue"
    yield _ok("region", f"{facts.base_model} is tuned in {facts.region}{unknown}")


def _bucket(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    match facts.bucket:
        case None:
            detail = "Vertex AI reads from Cloud Storage only: set TUNECURVE_STORAGE=gs://BUCKET"
            yield _failed("bucket", "storage_not_readable", detail)
        case TunecurveError(code="bucket_not_found") as error if _is_made_later(facts):
            yield _ok("bucket", f"{error.message}; with the emulator the first dataset makes it")
        case TunecurveError() as error:
            yield _refused("bucket", error)
        case bucket:
            yield _permissions(bucket)
            yield _place(bucket, facts)


def _is_made_later(facts: PreflightFacts) -> bool:
    return facts.emulated and facts.training_bytes is None


def _permissions(bucket: BucketAccess) -> PreflightFinding:
    missing = [name for name in _NEEDED if f"storage.{name}" not in bucket.permissions]
    if missing:
        detail = (
            f"in {bucket.name} we lack storage.{', storage.'.join(missing)}: give the service "
            "account roles/storage.objectAdmin there"
        )
        return _failed("bucket", "storage_forbidden", detail)
    return _ok("bucket", f"{bucket.name} is there, and we may read, write and delete in it")


def _place(bucket: BucketAccess, facts: PreflightFacts) -> PreflightFinding:
    check, place = "bucket location", bucket.location
    if not place:
        detail = f"where {bucket.name} is cannot be seen without storage.buckets.get"
        return PreflightFinding(check, FindingState.WARN, "bucket_location_unknown", detail)
    where = f"{bucket.name} is in {place}, and tunings run in {facts.region}"
    if _continent(place) != _continent(facts.region):
        detail = f"{where}: use a bucket in {facts.region}{_other_region(place, facts)}"
        return _failed(check, "bucket_elsewhere", detail)
    covers = facts.region in (place.lower(), *bucket.regions) or place == _continent(place)
    if covers:
        return _ok(check, where)
    detail = f"{where}: reading from another region was not tried; one in {facts.region} is safer"
    return PreflightFinding(check, FindingState.WARN, "bucket_elsewhere", detail)


def _other_region(place: str, facts: PreflightFacts) -> str:
    near = [each for each in facts.regions if _continent(each) == _continent(place)]
    if not near:
        return ""
    return f", or set TUNECURVE_LOCATION={near[0]}, where {facts.base_model} is tuned, too"


def _continent(location: str) -> str:
    """Return the multi-region of a region, a dual-region (NAM4, EUR4) or itself, in capitals."""
    first = location.lower().partition("-")[0].rstrip("0123456789")
    return _CONTINENTS.get(first, first.upper())


def _training_file(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    check = "training file"
    if facts.training_bytes is None or facts.bucket is None:
        return
    if isinstance(facts.training_bytes, TunecurveError):
        yield _refused(check, facts.training_bytes)
        return
    agent = "whether Vertex AI's service agent may read it, too, cannot be seen from here"
    yield _ok(check, f"{facts.training_bytes} bytes at {facts.storage}; {agent}")


def _tunings(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    if isinstance(facts.open_tunings, TunecurveError):
        yield _refused("tunings", facts.open_tunings, fix="roles/aiplatform.user is needed")
        return
    yield _ok("tunings", f"Vertex AI lists them in {facts.region}")
    count, most = facts.open_tunings, facts.most_open
    now = f"{count} open in {facts.region}"
    if most is None:
        yield _ok("concurrent tunings", f"{now}; their number is not limited here")
    elif count >= most:
        detail = (
            f"{now}, as many as TUNECURVE_CONCURRENT_TUNINGS takes to be Google's quota ({most}): "
            "the next one waits in line"
        )
        yield PreflightFinding(
            "concurrent tunings", FindingState.WARN, "concurrent_tunings_reached", detail
        )
    else:
        yield _ok("concurrent tunings", f"{now}, of {most} at once")


def _ok(check: str, detail: str) -> PreflightFinding:
    return PreflightFinding(check, FindingState.OK, "", detail)


def _failed(check: str, code: str, detail: str) -> PreflightFinding:
    return PreflightFinding(check, FindingState.FAIL, code, detail)


def _refused(check: str, error: TunecurveError, *, fix: str = "") -> PreflightFinding:
    state = FindingState.UNKNOWN if error.retryable else FindingState.FAIL
    detail = f"{error.message}: {fix}" if fix and not error.retryable else error.message
    return PreflightFinding(check, state, error.code, detail)
