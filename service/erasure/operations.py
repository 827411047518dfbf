"""Deleting outputs and jobs. What is left outside the database is erased with them."""

from collections.abc import Callable, Sequence
from functools import partial

from service.database import Session, Sessions
from service.datasets.operations import remove_dataset
from service.erasure import repository
from service.erasure.pending_leftovers import REMOTE, erase_here, note_leftovers
from service.erasure.ports import ErasureServices
from service.erasure.schemas import Deletion, KeptOutput, RemoteResource
from service.errors import Conflict, NotFound
from service.evaluation.operations import remove_evaluation
from service.experiments.operations import remove_experiment
from service.experiments.queries import get_experiment
from service.files.operations import remove_file
from service.ids import Prefix
from service.jobs.lifecycle import OPEN
from service.jobs.queries import children_of, get_job, subtrees_of
from service.storage.leftovers import Leftover
from service.tuning.removal import remove_model

_REMOVERS: dict[Prefix, Callable[..., list[Leftover]]] = {
    Prefix.FILE: remove_file,
    Prefix.DATASET: remove_dataset,
    Prefix.MODEL: remove_model,
    Prefix.EVALUATION: remove_evaluation,
    Prefix.EXPERIMENT: remove_experiment,
}


def delete_output(
    output_id: str, *, project_id: str, keep_remote: bool = False, services: ErasureServices
) -> Deletion:
    """Delete a file, dataset, model, evaluation or experiment with all that is only its own.

    Tuned models, endpoints and batches at the provider are deleted by a worker soon after;
    `keep_remote` leaves them. Raises NotFound; Conflict `not_ready` while its job may still write,
    and `in_use` that names what uses it.
    """
    with services.sessions.transaction() as session:
        _refuse_unfinished(session, output_id, project_id=project_id)
        prefix = Prefix(output_id.partition("_")[0])
        remove = _REMOVERS[prefix]
        if prefix is Prefix.MODEL:
            remove = partial(remove, keep_tuning=keep_remote)
        leftovers = remove(session, output_id, project_id=project_id)
        kept = [
            each for each in leftovers if each.needed_by or (keep_remote and each.kind in REMOTE)
        ]
        pending = note_leftovers(
            session,
            [each for each in leftovers if each not in kept],
            output=output_id,
            project_id=project_id,
        )
    erase_here(pending, services=services)
    return Deletion(deleted=[output_id], remote=_remote(leftovers, kept, output_id))


def _remote(
    leftovers: Sequence[Leftover], kept: Sequence[Leftover], output: str
) -> list[RemoteResource]:
    return [
        RemoteResource(
            resource=each.target,
            output=output,
            state="kept" if each in kept else "deleting",
            needed_by=each.needed_by or None,
        )
        for each in leftovers
        if each.kind in REMOTE
    ]


def _refuse_unfinished(session: Session, output_id: str, *, project_id: str) -> None:
    """Raise Conflict while a job writes an output, or still has to read a file."""
    job_id = repository.writer_of(session, output_id, project_id=project_id, open_states=OPEN)
    if job_id is not None:
        message = f"its job {job_id} has not ended; cancel the job first"
        raise Conflict(message, code="not_ready")
    if output_id.startswith(f"{Prefix.FILE}_"):
        readers = repository.jobs_naming(
            session, output_id, project_id=project_id, open_states=OPEN
        )
        if readers:
            message = f"{output_id} is still to be read by {', '.join(readers)}; cancel them first"
            raise Conflict(message, code="in_use")


def delete_experiment(
    experiment_id: str,
    *,
    project_id: str,
    with_outputs: bool,
    keep_remote: bool = False,
    services: ErasureServices,
) -> Deletion:
    """Delete an experiment and, `with_outputs`, the evaluations, models and dataset of its jobs.

    An output that something else needs stays, and the answer says what needs it. Raises what
    `delete_output` raises of the experiment itself.
    """
    sessions = services.sessions
    row, variants = get_experiment(experiment_id, project_id=project_id, sessions=sessions)
    outputs: list[str | None] = []
    if with_outputs:
        children = children_of(row.job_id, sessions=sessions)
        outputs += [each.evaluation for each in variants]
        outputs += _evaluations_below(row.job_id, sessions=sessions)
        outputs += [each.model for each in variants]
        outputs += [child.outputs.get("dataset") for child in children]
    deletion = Deletion(deleted=[])
    for output_id in (experiment_id, *dict.fromkeys(filter(None, outputs))):
        try:
            one = delete_output(
                output_id, project_id=project_id, keep_remote=keep_remote, services=services
            )
        except (Conflict, NotFound) as error:
            if output_id == experiment_id:
                raise
            if isinstance(error, Conflict):
                deletion.kept.append(KeptOutput(id=output_id, reason=error.message))
            continue
        deletion.deleted += one.deleted
        deletion.remote += one.remote
    return deletion


def _evaluations_below(job_id: str, *, sessions: Sessions) -> list[str]:
    """Return the evaluations that a job's tree has made: of laps and checkpoints, too."""
    with sessions.reading() as session:
        tree = subtrees_of(session, [job_id])[job_id]
        made = repository.outputs_of_jobs(session, tree)
    return [each for each in made if each.startswith(f"{Prefix.EVALUATION}_")]


def delete_job(job_id: str, *, project_id: str, services: ErasureServices) -> Deletion:
    """Delete a job that has ended, its children and their events: specs, labels and errors.

    What it used stays in the ledger, without its id. Raises NotFound; Conflict `job_not_finished`,
    and `in_use` that names the outputs that are still there.
    """
    get_job(job_id, project_id=project_id, sessions=services.sessions)
    with services.sessions.transaction() as session:
        tree = subtrees_of(session, [job_id])[job_id]
        _refuse_open(session, tree)
        outputs = repository.outputs_of_jobs(session, tree)
        if outputs:
            message = f"{job_id} has made {', '.join(outputs[:20])}; delete them first"
            raise Conflict(message, code="in_use")
        repository.remove_jobs(session, tree)
        pending = note_leftovers(session, [], output=job_id, project_id=project_id)
    erase_here(pending, services=services)
    return Deletion(deleted=tree)


def _refuse_open(session: Session, job_ids: Sequence[str]) -> None:
    still_open = repository.jobs_in(session, job_ids, states=OPEN)
    if still_open:
        message = f"{', '.join(still_open)} has not ended; cancel it first"
        raise Conflict(message, code="job_not_finished")
