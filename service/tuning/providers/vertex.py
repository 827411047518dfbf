"""Vertex AI supervised tuning, through Google's `aiplatform_v1` REST client.

Importing this module costs 3 s and 140 MB (it loads every service of aiplatform_v1): only
workers that tune do.
"""

from collections.abc import Mapping
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as v1

from service.catalogue.locations import endpoint_of, location_of
from service.errors import Invalid
from service.inference.batches.vertex_calls import CALL_SECONDS, call_vertex, words_without_quotes
from service.jobs.paid_operations import OperationState
from service.text import storable_json
from service.tuning.ports import Hyperparameters, ProviderTuning, TuningRequest
from service.tuning.providers.vertex_models import delete_tuned

RUN_LABEL, PROJECT_LABEL = "tunecurve-run", "tunecurve-project"
_MISSING = "tuning_not_found"

# gapic speaks in enum numbers and they are not the sizes: FOUR is 2.
_ADAPTERS = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}

# Each SDK has its own set of final states; this one is ours (facts of the v1 JobState).
_STATES = {
    "JOB_STATE_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_FAILED": OperationState.FAILED,
    "JOB_STATE_EXPIRED": OperationState.FAILED,
    "JOB_STATE_CANCELLED": OperationState.CANCELLED,
}


def open_vertex(*, project: str, location: str, endpoint: str) -> "VertexTuning":
    """Return the provider; `endpoint` is an emulator's `http://…`, or empty for Google."""
    if not project:
        message = "set TUNECURVE_GOOGLE_CLOUD_PROJECT to the project that pays for tunings"
        raise Invalid(message, code="project_not_set")
    return VertexTuning(project=project, location=location, endpoint=endpoint)


class VertexTuning:
    """One client a location: a `poll` job may name a tuning that runs elsewhere."""

    def __init__(self, *, project: str, location: str, endpoint: str) -> None:
        self._project, self._location, self._endpoint = project, location, endpoint
        self._clients: dict[tuple[str, type[Any]], Any] = {}

    @property
    def synthetic(self) -> bool:
        return self._endpoint.startswith("http://")

    def connect(self) -> None:
        call_vertex(lambda: self._client(self._location), missing=_MISSING)

    def submit(self, request: TuningRequest) -> str:
        client = self._client(self._location)
        job = v1.TuningJob(
            base_model=request.base_model,
            supervised_tuning_spec=v1.SupervisedTuningSpec(
                training_dataset_uri=request.training_uri,
                validation_dataset_uri=request.validation_uri or "",
                hyper_parameters=_hyperparameters(request.hyperparameters),
            ),
            tuned_model_display_name=request.display_name,
            labels={RUN_LABEL: request.run_id, PROJECT_LABEL: request.project_id},
        )
        created = call_vertex(
            lambda: client.create_tuning_job(
                parent=self._parent(), tuning_job=job, timeout=CALL_SECONDS, retry=None
            ),
            missing=_MISSING,
        )
        return str(created.name)

    def find(self, run_id: str) -> str | None:
        # No filter: a server that ignored it would make us believe there is nothing to adopt.
        client = self._client(self._location)
        listed = call_vertex(
            lambda: [
                job.name
                for job in client.list_tuning_jobs(
                    parent=self._parent(), timeout=CALL_SECONDS, retry=None
                )
                if job.labels.get(RUN_LABEL) == run_id
            ],
            missing=_MISSING,
        )
        return str(listed[0]) if listed else None

    def poll(self, resource_name: str) -> ProviderTuning:
        client = self._client(location_of(resource_name))
        job = call_vertex(
            lambda: client.get_tuning_job(name=resource_name, timeout=CALL_SECONDS, retry=None),
            missing=_MISSING,
        )
        return read_tuning(v1.TuningJob.to_dict(job, use_integers_for_enums=False))

    def cancel(self, resource_name: str) -> None:
        client = self._client(location_of(resource_name))
        try:
            call_vertex(
                lambda: client.cancel_tuning_job(
                    name=resource_name, timeout=CALL_SECONDS, retry=None
                ),
                missing=_MISSING,
            )
        except Invalid:
            return  # it has ended already: the next poll says how

    def delete(self, resource_name: str) -> None:
        location = location_of(resource_name)
        delete_tuned(resource_name, open_client=lambda kind: self._client(location, kind))

    def _parent(self) -> str:
        return f"projects/{self._project}/locations/{self._location}"

    def _client(self, location: str, kind: Any = v1.GenAiTuningServiceClient) -> Any:
        if (location, kind) not in self._clients:
            endpoint = endpoint_of(location, emulator=self._endpoint)
            options: dict[str, Any] = {
                "transport": "rest",
                "client_options": {"api_endpoint": endpoint},
            }
            if self.synthetic:
                options["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
            self._clients[location, kind] = kind(**options)
        return self._clients[location, kind]


def _hyperparameters(wanted: Hyperparameters) -> Any:
    given: dict[str, Any] = {}
    if wanted.epochs is not None:
        given["epoch_count"] = wanted.epochs
    if wanted.learning_rate_multiplier is not None:
        given["learning_rate_multiplier"] = wanted.learning_rate_multiplier
    if wanted.adapter_size is not None:
        size = f"ADAPTER_SIZE_{_ADAPTERS[wanted.adapter_size]}"
        given["adapter_size"] = getattr(v1.SupervisedHyperParameters.AdapterSize, size)
    return v1.SupervisedHyperParameters(**given)


def read_tuning(job: Mapping[str, Any]) -> ProviderTuning:
    """Return what a TuningJob, as a dictionary with enum names, says. Pure.

    The statistics keep counts only: the provider echoes training examples there, which are
    the user's data and have no place in our tables.
    """
    job = storable_json(job)
    state = str(job.get("state", ""))
    tuned = job.get("tuned_model") or {}
    labels: Mapping[str, str] = job.get("labels") or {}
    counts = (job.get("tuning_data_stats") or {}).get("supervised_tuning_data_stats") or {}
    error = job.get("error") or {}
    spec = (job.get("supervised_tuning_spec") or {}).get("hyper_parameters") or {}
    return ProviderTuning(
        resource_name=str(job.get("name", "")),
        state=_STATES.get(state, OperationState.ACCEPTED),
        provider_state=state[:50],
        run_id=str(labels.get(RUN_LABEL, "")),
        project_id=str(labels.get(PROJECT_LABEL, "")),
        base_model=str(job.get("base_model", "")),
        model=tuned.get("model") or None,
        endpoint=tuned.get("endpoint") or None,
        checkpoints=tuple(tuned.get("checkpoints") or ()),
        statistics={
            key: int(counts[key])
            for key in (
                "tuning_dataset_example_count",
                "total_billable_token_count",
                "tuning_step_count",
                "total_truncated_example_count",
            )
            if counts.get(key)
        },
        hyperparameters=_chosen(spec),
        training_tokens=int(counts.get("total_billable_token_count") or 0),
        error={
            "code": error.get("code"),
            "message": words_without_quotes(str(error.get("message", ""))),
        }
        if error.get("code") or error.get("message")
        else None,
    )


def _chosen(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that the provider has settled, in our names."""
    sizes = {f"ADAPTER_SIZE_{name}": size for size, name in _ADAPTERS.items()}
    chosen = {
        "epochs": int(spec.get("epoch_count") or 0),
        "learning_rate_multiplier": spec.get("learning_rate_multiplier"),
        "adapter_size": sizes.get(str(spec.get("adapter_size"))),
    }
    return {key: value for key, value in chosen.items() if value}
