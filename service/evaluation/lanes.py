"""Which way an evaluation's requests go: one by one at once, or as a file within a day. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from service.catalogue.prices import CallPrice
from service.errors import Fault, Invalid

# What Google says of a batch: queued up to 72 h, then run for 24 h at most; usually within 24 h.
BATCH_HOURS = 24.0
MOST_REQUESTS = 200_000
REQUESTED = "the job asks for it"  # the reason of a lane that was not chosen


class Lane(StrEnum):
    ONLINE = "online"
    BATCH = "batch"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class LaneInputs:
    """What the choice depends on; `storage` is the object store's address, prices may be None."""

    base_model: str
    tuned: bool
    has_batch: bool
    requests: int
    deadline_hours: float | None
    storage: str
    online: CallPrice | None
    batch: CallPrice | None


@dataclass(frozen=True, slots=True)
class Choice:
    """`lane` is online or batch; `reason` says why in one sentence."""

    lane: Lane
    reason: str


def choose_lane(requested: Lane, inputs: LaneInputs) -> Choice:
    """Return the lane to take; `auto` takes a batch where one can run, in time, for less.

    Raises Invalid `lane_not_available` when `requested` is a batch that cannot run.
    """
    if requested is Lane.ONLINE:
        return Choice(Lane.ONLINE, REQUESTED)
    obstacle = _obstacle(inputs)
    if requested is Lane.BATCH:
        if obstacle:
            fault = Fault("/spec/lane", "lane_not_available", obstacle)
            raise Invalid(obstacle, code="lane_not_available", faults=[fault])
        return Choice(Lane.BATCH, REQUESTED)
    if against := obstacle or _drawback(inputs):
        return Choice(Lane.ONLINE, against)
    return Choice(Lane.BATCH, _advantage(inputs))


def _obstacle(inputs: LaneInputs) -> str:
    """Return why no batch can run, or nothing."""
    if not inputs.has_batch:
        return f"{'tuned ' if inputs.tuned else ''}{inputs.base_model} has no batch prediction"
    if not inputs.storage.startswith("gs://"):
        return "a batch reads and writes Cloud Storage, and TUNECURVE_STORAGE names none"
    if inputs.requests > MOST_REQUESTS:
        return f"a batch takes {MOST_REQUESTS} requests, and these are {inputs.requests}"
    return ""


def _drawback(inputs: LaneInputs) -> str:
    """Return why a batch that could run is not worth it, or nothing."""
    hours = inputs.deadline_hours
    if hours is not None and hours < BATCH_HOURS:
        return f"a batch may take {BATCH_HOURS:g} hours, and the deadline is {hours:g}"
    ratio = _price_ratio(inputs)
    if ratio is None:
        return f"no price of {inputs.base_model} is known, so a batch may save nothing"
    if ratio >= 1:
        return f"a batch of {inputs.base_model} costs no less"
    return ""


def _advantage(inputs: LaneInputs) -> str:
    hours = inputs.deadline_hours
    time = "there is no deadline" if hours is None else f"the deadline of {hours:g} hours allows it"
    return f"a batch costs {_price_ratio(inputs) or 0:.0%} of calls online, and {time}"


def _price_ratio(inputs: LaneInputs) -> float | None:
    """Return what a batch costs as a fraction of calls online; None where a price is unknown."""
    if inputs.online is None or inputs.batch is None:
        return None
    online, batch = (
        price.cost(prompt_tokens=1_000_000, output_tokens=1_000_000)
        for price in (inputs.online, inputs.batch)
    )
    return batch / online if online else 1.0
