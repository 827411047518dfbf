"""The room's door: what can be done with jobs."""

from service.jobs.cancelling import cancel_job as cancel_job
from service.jobs.claims import claim_job as claim_job
from service.jobs.claims import finish_job as finish_job
from service.jobs.claims import park_job as park_job
from service.jobs.claims import retry_job as retry_job
from service.jobs.dispatch import JobKinds as JobKinds
from service.jobs.dispatch import dispatch as dispatch
from service.jobs.dispatch import send_due_tickets as send_due_tickets
from service.jobs.models import Job as Job
from service.jobs.reading import children_of as children_of
from service.jobs.reading import get_job as get_job
from service.jobs.reading import job_states as job_states
from service.jobs.reading import list_jobs as list_jobs
from service.jobs.reading import require_ended as require_ended
from service.jobs.submission import Request as Request
from service.jobs.submission import reserve_ids as reserve_ids
from service.jobs.submission import submit_job as submit_job
from service.jobs.submission import write_job as write_job
from service.jobs.sweeps import purge_keys as purge_keys
from service.jobs.sweeps import requeue_expired as requeue_expired
from service.jobs.sweeps import wake_due as wake_due
from service.jobs.sweeps import wake_job as wake_job
