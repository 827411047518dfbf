"""Models and endpoints: get, list, delete, listCheckpoints and undeployModel."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.models.operations import done_operation
from emulator.models.resources import Endpoint, Model, endpoints_of, model_of
from emulator.paging import page_of
from emulator.parsing import parse_json, parse_message
from emulator.projects import project_number
from emulator.state import emulator_of
from emulator.tuning.records import Tuning

_FIELDS: Fields = {
    "display_name": lambda resource: resource.get("displayName"),
    "labels": lambda resource: resource.get("labels", {}),
}
_MODEL_FIELDS: Fields = {**_FIELDS, "model": lambda resource: _id(resource["name"])}
_ENDPOINT_FIELDS: Fields = {**_FIELDS, "endpoint": lambda resource: _id(resource["name"])}


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def _place(request: Request) -> str:
    path = request.path_params
    return f"projects/{project_number(path['project'])}/locations/{path['location']}"


def _versions(request: Request, model_id: str = "") -> Iterator[Model]:
    """Yield the versions of one model, or of all models of a place, oldest first."""
    place = f"{_place(request)}/models/{model_id}"
    for tuning in emulator_of(request).tunings.all():
        is_meant = tuning.model_name == place if model_id else tuning.model_name.startswith(place)
        if is_meant and (model := model_of(tuning)):
            yield model


def _models(request: Request) -> Iterable[Model]:
    """Return the default version of each model, which is its newest."""
    return {model.name: model for model in _versions(request)}.values()


def _endpoints(request: Request) -> Iterator[Endpoint]:
    place = _place(request)
    for tuning in emulator_of(request).tunings.all():
        if tuning.endpoint.startswith(f"{place}/"):
            yield from endpoints_of(tuning)


def _find_versions(request: Request) -> list[Model]:
    """Return the versions of the model that a path names, oldest first; at least one."""
    model_id = request.path_params["model"].partition("@")[0]
    found = list(_versions(request, model_id))
    if not found:
        raise GoogleError(404, f"Model {_place(request)}/models/{model_id} is not found.")
    return found


def _find_model(request: Request) -> tuple[Model, bool]:
    """Return the version that a path names, and whether it is the default one."""
    versions = _find_versions(request)
    wanted = request.path_params["model"].partition("@")[2]
    if wanted in {"", "default", str(versions[-1].version)}:
        return versions[-1], True
    found = next((model for model in versions if str(model.version) == wanted), None)
    if found is None:
        raise GoogleError(404, f"Model {versions[0].name}@{wanted} is not found.")
    return found, False


def _find_endpoint(request: Request) -> Endpoint:
    name = f"{_place(request)}/endpoints/{request.path_params['endpoint']}"
    found = next((each for each in _endpoints(request) if each.name == name), None)
    if found is None:
        raise GoogleError(404, f"Endpoint `{name}` was not found.")
    return found


async def get_model(request: Request) -> Response:
    model, is_default = _find_model(request)
    return JSONResponse(model.resource(is_default=is_default))


async def list_versions(request: Request) -> Response:
    versions = _find_versions(request)
    newest = versions[-1].version
    page = page_of(versions, request.query_params, place=lambda model: -model.version)
    return JSONResponse(
        page.describe("models", lambda model: model.resource(is_default=model.version == newest))
    )


async def list_models(request: Request) -> Response:
    query = request.query_params
    is_wanted = read_filter(query.get("filter", ""), fields=_MODEL_FIELDS)
    found = [model for model in _models(request) if is_wanted(model.resource())]
    page = page_of(found, query, place=lambda model: model.place)
    return JSONResponse(page.describe("models", lambda model: model.resource()))


async def list_checkpoints(request: Request) -> Response:
    checkpoints = _find_model(request)[0].described_checkpoints()
    places = {checkpoint["checkpointId"]: place for place, checkpoint in enumerate(checkpoints)}
    page = page_of(
        checkpoints, request.query_params, place=lambda each: places[each["checkpointId"]]
    )
    return JSONResponse(page.describe("checkpoints", lambda checkpoint: checkpoint))


async def delete_model(request: Request) -> Response:
    """Delete a model, all versions of it, that no endpoint serves any more."""
    versions = _find_versions(request)
    if any(model.deployments() for model in versions):
        message = f"Model {versions[0].name} is deployed on an endpoint; undeploy it first."
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    for model in versions:
        _remove(request, model.tuning, name=model.name)
    return _done(request, "DeleteOperationMetadata")


async def get_endpoint(request: Request) -> Response:
    return JSONResponse(_find_endpoint(request).resource())


async def list_endpoints(request: Request) -> Response:
    query = request.query_params
    is_wanted = read_filter(query.get("filter", ""), fields=_ENDPOINT_FIELDS)
    found = [endpoint for endpoint in _endpoints(request) if is_wanted(endpoint.resource())]
    page = page_of(found, query, place=lambda endpoint: endpoint.place)
    return JSONResponse(page.describe("endpoints", lambda endpoint: endpoint.resource()))


async def delete_endpoint(request: Request) -> Response:
    """Delete an endpoint that has no model on it any more."""
    endpoint = _find_endpoint(request)
    if endpoint.deployed_models():
        message = f"Endpoint {endpoint.name} has deployed or being-deployed model(s)."
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    _remove(request, endpoint.tuning, name=endpoint.name)
    return _done(request, "DeleteOperationMetadata")


async def undeploy_model(request: Request) -> Response:
    """Take the model off an endpoint, which stays."""
    endpoint = _find_endpoint(request)
    types = emulator_of(request).request_types.undeploy_model
    sent = parse_message(parse_json(await request.body()), types)
    if sent.deployed_model_id not in {model["id"] for model in endpoint.deployed_models()}:
        message = f"DeployedModel {sent.deployed_model_id!r} is not on this endpoint."
        raise GoogleError(404, message)
    tuning = endpoint.tuning
    changed = replace(tuning, undeployed=[*tuning.undeployed, endpoint.name])
    emulator_of(request).tunings.put(changed)
    return _done(request, "UndeployModelOperationMetadata", response="UndeployModelResponse")


def _remove(request: Request, tuning: Tuning, *, name: str) -> None:
    emulator_of(request).tunings.put(replace(tuning, removed=[*tuning.removed, name]))


def _done(request: Request, kind: str, **answer: Any) -> Response:
    version = request.url.path.split("/")[1]
    return JSONResponse(done_operation(_place(request), version=version, kind=kind, **answer))


def model_routes(version: str) -> list[Route]:
    home = f"/{version}/projects/{{project}}/locations/{{location}}"
    model, endpoint = f"{home}/models/{{model}}", f"{home}/endpoints/{{endpoint}}"
    return [
        Route(f"{home}/models", list_models, methods=["GET"]),
        Route(f"{model}:listCheckpoints", list_checkpoints, methods=["GET"]),
        Route(f"{model}:listVersions", list_versions, methods=["GET"]),
        Route(model, get_model, methods=["GET"]),
        Route(model, delete_model, methods=["DELETE"]),
        Route(f"{home}/endpoints", list_endpoints, methods=["GET"]),
        Route(endpoint, get_endpoint, methods=["GET"]),
        Route(endpoint, delete_endpoint, methods=["DELETE"]),
        Route(f"{endpoint}:undeployModel", undeploy_model, methods=["POST"]),
    ]
