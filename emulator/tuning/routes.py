"""tuningJobs: create, get, list and cancel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.admission.creations import CreationFaults
from emulator.catalogue import MODELS
from emulator.clock import timestamp
from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.messages import parse_json
from emulator.pages import page_of
from emulator.resources import new_id, parent_of, project_number
from emulator.settings import Settings
from emulator.storage.objects import StoredObject, split_uri
from emulator.storage.store import ObjectStore
from emulator.tuning.continuation import model_of_child
from emulator.tuning.queue import TuningQueue
from emulator.tuning.records import ENDED, State, Tuning
from emulator.tuning.requests import TuningRequest, read_tuning_request
from emulator.tuning.store import TuningStore

_FIELDS: Fields = {
    "labels": lambda tuning: tuning.labels,
    "state": lambda tuning: tuning.state.value,
}


class TuningRoutes:
    """The handlers of tuning jobs; `types` is the message class of a TuningJob."""

    def __init__(
        self,
        tunings: TuningStore,
        *,
        queue: TuningQueue,
        objects: ObjectStore,
        types: Any,
        settings: Callable[[], Settings],
        faults: CreationFaults,
    ) -> None:
        self._tunings = tunings
        self._queue = queue
        self._objects = objects
        self._types = types
        self._settings = settings
        self._faults = faults

    def routes(self, version: str) -> list[Route]:
        jobs = f"/{version}/projects/{{project}}/locations/{{location}}/tuningJobs"
        return [
            Route(jobs, self._faults.around(self.create_tuning), methods=["POST"]),
            Route(f"{jobs}:rebaseTunedModel", rebase_tuned_model, methods=["POST"]),
            Route(jobs, self.list_tunings, methods=["GET"]),
            Route(f"{jobs}/{{tuning_id}}", self.get_tuning, methods=["GET"]),
            Route(f"{jobs}/{{tuning_id}}:cancel", self.cancel_tuning, methods=["POST"]),
        ]

    async def create_tuning(self, request: Request) -> Response:
        location = request.path_params["location"]
        tuning_request = read_tuning_request(
            parse_json(await request.body()),
            location=location,
            types=self._types,
            find_file=self._find_file,
            find_model=self._tunings.find_model,
            epochs_by_default=self._settings().default_epochs,
            files_may_be_missing=self._settings().missing_file == "fail",
        )
        if self._settings().tuning_quota == "refuse" and self._queue.is_full():
            raise GoogleError(429, "The following quotas are exceeded: GlobalConcurrentTuningJobs.")
        project = project_number(request.path_params["project"])
        tuning = self._new_tuning(tuning_request, project=project, location=location)
        self._tunings.put(tuning)
        self._queue.submit(tuning.tuning_id)
        return JSONResponse(tuning.resource())

    async def get_tuning(self, request: Request) -> Response:
        return JSONResponse(self._find(request).resource())

    async def list_tunings(self, request: Request) -> Response:
        query, parent = request.query_params, parent_of(request.path_params)
        matches = read_filter(query.get("filter", ""), fields=_FIELDS)
        found = [
            tuning for tuning in self._tunings.all() if tuning.parent == parent and matches(tuning)
        ]
        page = page_of(found, query, place=lambda tuning: -tuning.serial)
        return JSONResponse(page.describe("tuningJobs", lambda tuning: tuning.resource()))

    async def cancel_tuning(self, request: Request) -> Response:
        """Cancel; again while it is being cancelled is well, after the end it is refused."""
        tuning = self._find(request)
        if tuning.state in ENDED:
            message = (
                f"TuningJob {tuning.name} is in state {tuning.state.value} and cannot be cancelled."
            )
            raise GoogleError(400, message, status="FAILED_PRECONDITION")
        if tuning.state != State.CANCELLING:
            self._queue.cancel(tuning.tuning_id)
        return JSONResponse({})

    def _find(self, request: Request) -> Tuning:
        """Return the tuning a path names; under another project or location it does not exist."""
        parent, tuning_id = parent_of(request.path_params), request.path_params["tuning_id"]
        tuning = self._tunings.get(tuning_id)
        if tuning is None or tuning.parent != parent:
            raise GoogleError(404, f"TuningJob {parent}/tuningJobs/{tuning_id} not found.")
        return tuning

    def _new_tuning(self, tuning_request: TuningRequest, *, project: str, location: str) -> Tuning:
        now = timestamp()
        model_id, version = self._name_model(tuning_request)
        parent = tuning_request.parent.tuning if tuning_request.parent else None
        return Tuning(
            tuning_id=new_id(),
            serial=self._tunings.next_serial(),
            project=project,
            location=location,
            base_model=tuning_request.base_model,
            requested=tuning_request.echoed,
            training_uri=tuning_request.training_uri,
            content=self._content(tuning_request.training_uri),
            validation_uri=tuning_request.validation_uri,
            epochs=tuning_request.epochs,
            learning_rate_multiplier=tuning_request.learning_rate_multiplier,
            seed=self._seed(tuning_request),
            model_location=MODELS[tuning_request.base_model].tuned_location(location) or location,
            model_id=model_id,
            model_version=version,
            ancestors=[*parent.ancestors, parent.tuning_id] if parent else [],
            beta=tuning_request.beta,
            epochs_before=tuning_request.parent.epochs if tuning_request.parent else 0,
            endpoint_id=new_id(),
            created=now,
            updated=now,
        )

    def _name_model(self, tuning_request: TuningRequest) -> tuple[str, int]:
        """Return the id and version of the model to be: a further tuning makes the next version."""
        if tuning_request.parent is None:
            return new_id(), 1
        parent = tuning_request.parent.tuning
        return model_of_child(
            parent,
            display_name=tuning_request.echoed.get("tunedModelDisplayName", ""),
            versions=self._tunings.versions(parent.model_name),
            new_id=new_id(),
        )

    def _seed(self, tuning_request: TuningRequest) -> int:
        """Return a seed of the data, the hyperparameters and how often this was ordered before.

        So a first run is the same on every machine, and its repeats differ as real tunings do.
        """
        content = self._content(tuning_request.training_uri)
        earlier = self._tunings.count_alike(
            content,
            tuning_request.epochs,
            tuning_request.learning_rate_multiplier,
        )
        facts: tuple[object, ...] = (
            *(
                self._settings().seed,
                content,
                tuning_request.epochs,
                tuning_request.learning_rate_multiplier,
            ),
            *(earlier, *([tuning_request.parent.tuning.seed] if tuning_request.parent else [])),
            *([] if tuning_request.beta is None else [tuning_request.beta]),
        )
        return crc32(repr(facts).encode())

    def _content(self, uri: str) -> str:
        """Return what stands for an object's bytes, whatever its name; a missing one has none."""
        stored = self._find_object(uri)
        return (stored and stored.md5) or ""

    def _find_file(self, uri: str) -> Path | None:
        stored = self._find_object(uri)
        return self._objects.payload_path(stored) if stored else None

    def _find_object(self, uri: str) -> StoredObject | None:
        return self._objects.find(*split_uri(uri))


async def rebase_tuned_model(_: Request) -> Response:
    """Refuse: how a legacy tuned model was made is not public."""
    raise GoogleError(501, "The emulator does not rebase tuned models.")
