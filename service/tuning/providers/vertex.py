"""Vertex AI tuning, by Google's `aiplatform_v1` REST client, and by JSON where that lacks fields.

Importing this module costs a process 15 MB: only workers that tune do.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from google.auth.transport.requests import AuthorizedSession

from service.catalogue.locations import endpoint_of, location_of
from service.inference.batches.aiplatform import v1
from service.inference.batches.vertex_calls import (
    CALL_SECONDS,
    call_vertex,
    cancel_vertex,
    created_name,
    list_labelled,
    open_client,
    require_answer_about,
    require_project,
)
from service.jobs.paid_operations.states import FoundOperation
from service.tuning.ports import (
    MadeResource,
    MetricPoint,
    ProviderTuning,
    TuningMethod,
    TuningRequest,
)
from service.tuning.providers.vertex_answers import RUN_LABEL, read_tuning, unread_input
from service.tuning.providers.vertex_metrics import read_metrics
from service.tuning.providers.vertex_models import delete_tuned, made_resources
from service.tuning.providers.vertex_requests import preference_job, tuning_job
from service.tuning.providers.vertex_rest import (
    get_json,
    open_rest_session,
    post_json,
    tuning_pages,
)

_MISSING = "tuning_not_found"
_LINE_LENGTH = 50
_WORTH_A_PAGE = 5  # as many single requests cost about what a page does


def open_vertex(
    *,
    project: str,
    location: str,
    endpoint: str,
    account: str = "",
    submit_seconds: float = CALL_SECONDS,
) -> "VertexTuning":
    """Return the provider; `endpoint` is an emulator's `http://…`, or empty for Google, `account`
    a service account to call as, or empty.

    A tuning that is not answered for `submit_seconds` is in doubt.
    """
    require_project(project, pays_for="tunings")
    return VertexTuning(
        project=project,
        location=location,
        endpoint=endpoint,
        account=account,
        submit_seconds=submit_seconds,
    )


class VertexTuning:
    """One client a location: a `poll` job may name a tuning that runs elsewhere."""

    def __init__(
        self,
        *,
        project: str,
        location: str,
        endpoint: str,
        account: str = "",
        submit_seconds: float = CALL_SECONDS,
    ) -> None:
        self._account = account
        self._project, self._location, self._endpoint = project, location, endpoint
        self._submit_seconds = submit_seconds
        self._clients: dict[tuple[str, type[Any]], Any] = {}
        self._rest: AuthorizedSession | None = None

    @property
    def synthetic(self) -> bool:
        return self._endpoint.startswith("http://")

    @property
    def line(self) -> str:
        """Google counts for each of its projects."""
        return f"vertex/{self._project}"[:_LINE_LENGTH] if self._account else "vertex"

    def connect(self) -> None:
        call_vertex(lambda: self._client(self._location), missing=_MISSING)
        call_vertex(self._rest_session, missing=_MISSING)

    def submit(self, request: TuningRequest) -> str:
        if request.method is TuningMethod.PREFERENCE:
            return self._submit_json(preference_job(request))
        client = self._client(self._location)
        job = tuning_job(request)
        created = call_vertex(
            lambda: client.create_tuning_job(
                parent=self._parent(), tuning_job=job, timeout=self._submit_seconds, retry=None
            ),
            missing=_MISSING,
        )
        return created_name(str(created.name), collection="tuningJobs")

    def _submit_json(self, job: Mapping[str, Any]) -> str:
        """Create a tuning that the client's messages have no place for."""
        created = call_vertex(
            lambda: post_json(
                self._rest_session(),
                f"{self._url(self._location)}/{self._parent()}/tuningJobs",
                job,
                seconds=self._submit_seconds,
            ),
            missing=_MISSING,
        )
        return created_name(str(created.get("name") or ""), collection="tuningJobs")

    def find(self, run_id: str) -> Sequence[FoundOperation]:
        client = self._client(self._location)
        return list_labelled(
            lambda: client.list_tuning_jobs(
                parent=self._parent(), timeout=CALL_SECONDS, retry=None
            ),
            items="tuning_jobs",
            label=(RUN_LABEL, run_id),
            unread=lambda job: unread_input(self._get(str(job.name))),
            missing=_MISSING,
        )

    def poll(self, resource_name: str) -> ProviderTuning:
        reported = read_tuning(self._get(resource_name))
        require_answer_about(resource_name, reported.resource_name)
        return reported

    def poll_many(self, resource_names: Sequence[str]) -> Mapping[str, ProviderTuning]:
        """Page through the list of a location, as long as its pages name enough of those asked."""
        wanted = {_tail(name): name for name in resource_names}
        found: dict[str, ProviderTuning] = {}
        collection = resource_names[0].rpartition("/")[0]
        for page in tuning_pages(lambda params: self._get(collection, params)):
            named = [job for job in page if _tail(str(job.get("name"))) in wanted]
            before = len(found)
            found |= {wanted[_tail(str(job["name"]))]: read_tuning(job) for job in named}
            if len(found) == len(wanted) or len(found) - before < _WORTH_A_PAGE:
                break
        return found

    def training_metrics(
        self, resource_name: str, *, after_step: int = -1
    ) -> Sequence[MetricPoint]:
        location = location_of(resource_name)
        experiment = str(self._get(resource_name).get("experiment") or "")
        if not experiment:
            return ()
        points = call_vertex(
            lambda: read_metrics(experiment, open_client=lambda kind: self._client(location, kind)),
            missing="training_metrics_not_found",
        )
        return [point for point in points if point.step > after_step]

    def cancel(self, resource_name: str) -> None:
        client = self._client(location_of(resource_name))
        cancel_vertex(client.cancel_tuning_job, resource_name, missing=_MISSING)

    def delete(self, resource_name: str) -> None:
        location = location_of(resource_name)
        delete_tuned(resource_name, open_client=lambda kind: self._client(location, kind))

    def made(self, locations: Collection[str]) -> Sequence[MadeResource]:
        """Return the endpoints and models, of all installations, that carry our labels."""
        return [
            found
            for location in sorted(locations)
            for found in made_resources(
                f"projects/{self._project}/locations/{location}",
                open_client=partial(self._client, location),
            )
        ]

    def _get(
        self, resource_name: str, params: Mapping[str, str | int] | None = None
    ) -> Mapping[str, Any]:
        """Return a tuning job, or a page of them, as the REST surface shows it."""
        url = self._url(location_of(resource_name))
        found: Mapping[str, Any] = call_vertex(
            lambda: get_json(self._rest_session(), f"{url}/{resource_name}", params=params or {}),
            missing=_MISSING,
        )
        return found

    def _url(self, location: str) -> str:
        return f"{endpoint_of(location, emulator=self._endpoint)}/v1"

    def _rest_session(self) -> AuthorizedSession:
        if self._rest is None:
            self._rest = open_rest_session(endpoint=self._endpoint, account=self._account)
        return self._rest

    def _parent(self) -> str:
        return f"projects/{self._project}/locations/{self._location}"

    def _client(self, location: str, kind: Any = v1.GenAiTuningServiceClient) -> Any:
        if (location, kind) not in self._clients:
            self._clients[location, kind] = call_vertex(
                lambda: open_client(kind, location, endpoint=self._endpoint, account=self._account),
                missing=_MISSING,
            )
        return self._clients[location, kind]


def _tail(resource_name: str) -> str:
    """Return the id of a tuning: names come with the project's number, or as they were given."""
    return resource_name.rpartition("/")[2]
