"""What jobs have used, added up."""

from collections.abc import Collection
from functools import reduce
from operator import add

from service.catalogue.prices import UsageTotals
from service.database import Session
from service.inference.repository import usage_by_job


def usage_of(session: Session, job_ids: Collection[str]) -> UsageTotals:
    """Return what these jobs have used so far; zero when they used nothing."""
    return reduce(add, usage_by_job(session, job_ids).values(), UsageTotals())
