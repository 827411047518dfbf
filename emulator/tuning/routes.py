"""tuningJobs: create, get, list and cancel."""

import secrets
from pathlib import Path
from zlib import crc32

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.catalogue import MODELS
from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.paging import page_of
from emulator.parsing import parse_json
from emulator.projects import project_number
from emulator.state import Emulator, emulator_of
from emulator.storage.objects import StoredObject
from emulator.timestamps import timestamp
from emulator.tuning.continuing import model_of_child
from emulator.tuning.records import ENDED, State, Tuning
from emulator.tuning.requests import Order, read_order

_FIELDS: Fields = {
    "labels": lambda tuning: tuning.labels,
    "state": lambda tuning: tuning.state.value,
}


async def create_tuning(request: Request) -> Response:
    emulator = emulator_of(request)
    location = request.path_params["location"]
    order = read_order(
        parse_json(await request.body()),
        location=location,
        types=emulator.request_types.tuning_job,
        find_file=lambda uri: _find_file(emulator, uri),
        find_model=emulator.tunings.find_model,
        epochs_by_default=emulator.settings.default_epochs,
    )
    if emulator.settings.tuning_quota == "refuse" and emulator.queue.is_full():
        raise GoogleError(429, "The following quotas are exceeded: GlobalConcurrentTuningJobs.")
    project = project_number(request.path_params["project"])
    tuning = _new_tuning(emulator, order, project=project, location=location)
    emulator.tunings.put(tuning)
    emulator.queue.submit(tuning.tuning_id)
    return JSONResponse(tuning.resource())


def _find_object(emulator: Emulator, uri: str) -> StoredObject | None:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return emulator.objects.find(bucket, name)


def _find_file(emulator: Emulator, uri: str) -> Path | None:
    stored = _find_object(emulator, uri)
    return emulator.objects.payload_path(stored) if stored else None


def _new_tuning(emulator: Emulator, order: Order, *, project: str, location: str) -> Tuning:
    now = timestamp()
    model_id, version = _name_model(emulator, order)
    parent = order.parent.tuning if order.parent else None
    return Tuning(
        tuning_id=_new_id(),
        serial=emulator.tunings.next_serial(),
        project=project,
        location=location,
        base_model=order.base_model,
        requested=order.echoed,
        training_uri=order.training_uri,
        validation_uri=order.validation_uri,
        epochs=order.epochs,
        learning_rate_multiplier=order.learning_rate_multiplier,
        seed=_seed(emulator, order),
        model_location=MODELS[order.base_model].tuned_location(location) or location,
        model_id=model_id,
        model_version=version,
        ancestors=[*parent.ancestors, parent.tuning_id] if parent else [],
        epochs_before=order.parent.epochs if order.parent else 0,
        endpoint_id=_new_id(),
        created=now,
        updated=now,
    )


def _name_model(emulator: Emulator, order: Order) -> tuple[str, int]:
    """Return the id and version of the model to be: a further tuning makes the next version."""
    if order.parent is None:
        return _new_id(), 1
    parent = order.parent.tuning
    return model_of_child(
        parent,
        display_name=order.echoed.get("tunedModelDisplayName", ""),
        versions=emulator.tunings.versions(parent.model_name),
        new_id=_new_id(),
    )


def _new_id() -> str:
    return str(10**18 + secrets.randbelow(9 * 10**18))


def _seed(emulator: Emulator, order: Order) -> int:
    """Return a seed of the data, the hyperparameters and how often this was ordered before.

    So a first run is the same on every machine, and its repeats differ as real tunings do.
    """
    stored = _find_object(emulator, order.training_uri)
    content = stored.md5 if stored else ""
    earlier = emulator.tunings.count_alike(
        order.training_uri, order.epochs, order.learning_rate_multiplier
    )
    facts: tuple[object, ...] = (
        *(emulator.settings.seed, content, order.epochs, order.learning_rate_multiplier),
        *(earlier, *([order.parent.tuning.seed] if order.parent else [])),
    )
    return crc32(repr(facts).encode())


def _find(request: Request) -> Tuning:
    """Return the tuning a path names; under another project or location it does not exist."""
    path = request.path_params
    tuning = emulator_of(request).tunings.get(path["tuning_id"])
    project, location = project_number(path["project"]), path["location"]
    if tuning is None or (tuning.project, tuning.location) != (project, location):
        name = f"projects/{project}/locations/{location}/tuningJobs/{path['tuning_id']}"
        raise GoogleError(404, f"TuningJob {name} not found.")
    return tuning


async def rebase_tuned_model(_: Request) -> Response:
    """Refuse: only Google knows what a legacy tuned model was made of."""
    raise GoogleError(501, "The emulator does not rebase tuned models.")


async def get_tuning(request: Request) -> Response:
    return JSONResponse(_find(request).resource())


async def list_tunings(request: Request) -> Response:
    query, path = request.query_params, request.path_params
    place = (project_number(path["project"]), path["location"])
    is_wanted = read_filter(query.get("filter", ""), fields=_FIELDS)
    found = [
        tuning
        for tuning in emulator_of(request).tunings.all()
        if (tuning.project, tuning.location) == place and is_wanted(tuning)
    ]
    page = page_of(found, query, place=lambda tuning: -tuning.serial)
    return JSONResponse(page.describe("tuningJobs", lambda tuning: tuning.resource()))


async def cancel_tuning(request: Request) -> Response:
    """Cancel; again while it is being cancelled is well, after the end it is refused."""
    tuning = _find(request)
    if tuning.state in ENDED:
        message = (
            f"TuningJob {tuning.name} is in state {tuning.state.value} and cannot be cancelled."
        )
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    if tuning.state != State.CANCELLING:
        emulator_of(request).queue.cancel(tuning.tuning_id)
    return JSONResponse({})


def tuning_routes(version: str) -> list[Route]:
    jobs = f"/{version}/projects/{{project}}/locations/{{location}}/tuningJobs"
    return [
        Route(jobs, create_tuning, methods=["POST"]),
        Route(f"{jobs}:rebaseTunedModel", rebase_tuned_model, methods=["POST"]),
        Route(jobs, list_tunings, methods=["GET"]),
        Route(f"{jobs}/{{tuning_id}}", get_tuning, methods=["GET"]),
        Route(f"{jobs}/{{tuning_id}}:cancel", cancel_tuning, methods=["POST"]),
    ]
