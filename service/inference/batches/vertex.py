"""Vertex AI batch prediction, through Google's `aiplatform_v1` REST client.

Importing this module costs a process 15 MB: only a worker that meets an evaluation in the batch
lane does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.catalogue.locations import location_of
from service.inference.batches.aiplatform import v1
from service.inference.batches.ports import BatchOrder, ProviderBatch
from service.inference.batches.vertex_calls import (
    CALL_SECONDS,
    call_vertex,
    cancel_vertex,
    created_name,
    delete_vertex,
    list_labelled,
    open_client,
    require_answer_about,
    require_project,
    words_without_quotes,
)
from service.jobs.paid_operations.states import FoundOperation, OperationState
from service.text import storable_json

RUN_LABEL = "tunecurve-run"
_MISSING = "batch_not_found"

# Partly succeeded counts as succeeded: rows without an answer are sent again anyway. A batch that
# ran out of time (24 hours at Google) or was cancelled leaves the answers so far.
_STATES = {
    "JOB_STATE_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_FAILED": OperationState.FAILED,
    "JOB_STATE_EXPIRED": OperationState.STOPPED,
    "JOB_STATE_CANCELLED": OperationState.STOPPED,
}


def open_vertex_batches(
    *, project: str, endpoint: str, account: str = "", submit_seconds: float = CALL_SECONDS
) -> "VertexBatches":
    """Return the provider; `endpoint` is an emulator's `http://…`, or empty for Google, `account`
    a service account to call as, or empty.

    A batch that is not answered for `submit_seconds` is in doubt.
    """
    require_project(project, pays_for="batches")
    return VertexBatches(
        project=project, endpoint=endpoint, account=account, submit_seconds=submit_seconds
    )


class VertexBatches:
    """One client for each location: a batch runs where its model is."""

    def __init__(
        self, *, project: str, endpoint: str, account: str = "", submit_seconds: float
    ) -> None:
        self._account = account
        self._project, self._endpoint = project, endpoint
        self._submit_seconds = submit_seconds
        self._clients: dict[str, Any] = {}

    @property
    def synthetic(self) -> bool:
        return self._endpoint.startswith("http://")

    def connect(self, location: str) -> None:
        call_vertex(lambda: self._client(location), missing=_MISSING)

    def submit(self, order: BatchOrder) -> str:
        client = self._client(order.location)
        parent = self._parent(order.location)
        job = _job(order)
        created = call_vertex(
            lambda: client.create_batch_prediction_job(
                parent=parent,
                batch_prediction_job=job,
                timeout=self._submit_seconds,
                retry=None,
            ),
            missing=_MISSING,
        )
        return created_name(str(created.name), collection="batchPredictionJobs")

    def find(self, run_id: str, *, location: str) -> Sequence[FoundOperation]:
        client = self._client(location)
        return list_labelled(
            lambda: client.list_batch_prediction_jobs(
                parent=self._parent(location), timeout=CALL_SECONDS, retry=None
            ),
            items="batch_prediction_jobs",
            label=(RUN_LABEL, run_id),
            unread=_unread_input,
            missing=_MISSING,
        )

    def poll(self, resource_name: str) -> ProviderBatch:
        client = self._client(location_of(resource_name))
        job = call_vertex(
            lambda: client.get_batch_prediction_job(
                name=resource_name, timeout=CALL_SECONDS, retry=None
            ),
            missing=_MISSING,
        )
        require_answer_about(resource_name, job.name)
        return read_batch(v1.BatchPredictionJob.to_dict(job, use_integers_for_enums=False))

    def cancel(self, resource_name: str) -> None:
        client = self._client(location_of(resource_name))
        cancel_vertex(client.cancel_batch_prediction_job, resource_name, missing=_MISSING)

    def delete(self, resource_name: str) -> None:
        client = self._client(location_of(resource_name))
        delete_vertex(client.delete_batch_prediction_job, resource_name, missing=_MISSING)

    def _parent(self, location: str) -> str:
        return f"projects/{self._project}/locations/{location}"

    def _client(self, location: str) -> Any:
        if location not in self._clients:
            self._clients[location] = call_vertex(
                lambda: open_client(
                    v1.JobServiceClient,
                    location,
                    endpoint=self._endpoint,
                    account=self._account,
                ),
                missing=_MISSING,
            )
        return self._clients[location]


def _unread_input(job: Any) -> str:
    has_read = bool(job.output_info.gcs_output_directory)
    return "" if has_read else next(iter(job.input_config.gcs_source.uris), "")


def _job(order: BatchOrder) -> Any:
    is_resource = order.model.startswith("projects/")
    return v1.BatchPredictionJob(
        display_name=order.display_name,
        model=order.model if is_resource else f"publishers/google/models/{order.model}",
        input_config={"instances_format": "jsonl", "gcs_source": {"uris": [order.input_uri]}},
        output_config={
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": order.output_uri},
        },
        labels={RUN_LABEL: order.run_id},
    )


def read_batch(job: Mapping[str, Any]) -> ProviderBatch:
    """Return what a BatchPredictionJob, as a dictionary with enum names, says. Pure."""
    job = storable_json(job)
    state = str(job.get("state", ""))
    error = job.get("error") or {}
    output = job.get("output_info") or {}
    return ProviderBatch(
        resource_name=str(job.get("name", "")),
        state=_STATES.get(state, OperationState.ACCEPTED),
        provider_state=state[:50],
        output_uri=output.get("gcs_output_directory") or None,
        error=words_without_quotes(str(error.get("message", ""))),
    )
