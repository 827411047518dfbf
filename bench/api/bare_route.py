"""What load.py compares with: one FastAPI route that reads a job by its id with one select."""

import os
from typing import Any

from fastapi import FastAPI
from sqlalchemy import select

from service.database import open_sessions
from service.jobs.models import Job

app = FastAPI()
_sessions = open_sessions(os.environ["TUNECURVE_DATABASE_URL"])  # noqa: TID251


@app.get("/v1/jobs/{job_id}")
def read_job(job_id: str) -> dict[str, Any]:
    with _sessions.reading() as session:
        job = session.scalars(select(Job).where(Job.id == job_id)).one()
        return {"id": job.id, "state": job.state, "spec": job.spec, "cost": job.cost}
