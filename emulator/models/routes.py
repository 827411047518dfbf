"""Models and endpoints: get, list, delete, listCheckpoints and undeployModel."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.messages import parse_json, parse_message
from emulator.models.resources import Endpoint, Model, endpoints_of, model_of
from emulator.pages import page_of
from emulator.resources import finished_operation, last_segment, parent_of
from emulator.tuning.records import Tuning
from emulator.tuning.store import TuningStore

_FIELDS: Fields = {
    "display_name": lambda resource: resource.get("displayName"),
    "labels": lambda resource: resource.get("labels", {}),
}
_MODEL_FIELDS: Fields = {**_FIELDS, "model": lambda resource: last_segment(resource["name"])}
_ENDPOINT_FIELDS: Fields = {**_FIELDS, "endpoint": lambda resource: last_segment(resource["name"])}


class ModelRoutes:
    """The handlers of models and endpoints; `undeploy_types` is the message class of a request."""

    def __init__(self, tunings: TuningStore, *, undeploy_types: Any) -> None:
        self._tunings = tunings
        self._types = undeploy_types

    def routes(self, version: str) -> list[Route]:
        home = f"/{version}/projects/{{project}}/locations/{{location}}"
        model, endpoint = f"{home}/models/{{model}}", f"{home}/endpoints/{{endpoint}}"
        return [
            Route(f"{home}/models", self.list_models, methods=["GET"]),
            Route(f"{model}:listCheckpoints", self.list_checkpoints, methods=["GET"]),
            Route(f"{model}:listVersions", self.list_versions, methods=["GET"]),
            Route(model, self.get_model, methods=["GET"]),
            Route(model, self.delete_model, methods=["DELETE"]),
            Route(f"{home}/endpoints", self.list_endpoints, methods=["GET"]),
            Route(endpoint, self.get_endpoint, methods=["GET"]),
            Route(endpoint, self.delete_endpoint, methods=["DELETE"]),
            Route(f"{endpoint}:undeployModel", self.undeploy_model, methods=["POST"]),
        ]

    async def get_model(self, request: Request) -> Response:
        model, is_default = self._find_model(request)
        return JSONResponse(model.resource(is_default=is_default))

    async def list_versions(self, request: Request) -> Response:
        versions = self._find_versions(request)
        newest = versions[-1].version
        page = page_of(versions, request.query_params, place=lambda model: -model.version)
        return JSONResponse(
            page.describe(
                "models", lambda model: model.resource(is_default=model.version == newest)
            )
        )

    async def list_models(self, request: Request) -> Response:
        query = request.query_params
        matches = read_filter(query.get("filter", ""), fields=_MODEL_FIELDS)
        found = [model for model in self._models(request) if matches(model.resource())]
        page = page_of(found, query, place=lambda model: model.place)
        return JSONResponse(page.describe("models", lambda model: model.resource()))

    async def list_checkpoints(self, request: Request) -> Response:
        checkpoints = self._find_model(request)[0].described_checkpoints()
        places = {checkpoint["checkpointId"]: place for place, checkpoint in enumerate(checkpoints)}
        page = page_of(
            checkpoints, request.query_params, place=lambda each: places[each["checkpointId"]]
        )
        return JSONResponse(page.describe("checkpoints", lambda checkpoint: checkpoint))

    async def delete_model(self, request: Request) -> Response:
        """Delete a model, all versions of it, that no endpoint serves any more."""
        versions = self._find_versions(request)
        if any(model.deployments() for model in versions):
            message = f"Model {versions[0].name} is deployed on an endpoint; undeploy it first."
            raise GoogleError(400, message, status="FAILED_PRECONDITION")
        for model in versions:
            self._tunings.forget_data(self._remove(model.tuning, name=model.name))
        return _done(request, "DeleteOperationMetadata")

    async def get_endpoint(self, request: Request) -> Response:
        return JSONResponse(self._find_endpoint(request).resource())

    async def list_endpoints(self, request: Request) -> Response:
        query = request.query_params
        matches = read_filter(query.get("filter", ""), fields=_ENDPOINT_FIELDS)
        found = [endpoint for endpoint in self._endpoints(request) if matches(endpoint.resource())]
        page = page_of(found, query, place=lambda endpoint: endpoint.place)
        return JSONResponse(page.describe("endpoints", lambda endpoint: endpoint.resource()))

    async def delete_endpoint(self, request: Request) -> Response:
        """Delete an endpoint that has no model on it any more."""
        endpoint = self._find_endpoint(request)
        if endpoint.deployed_models():
            message = f"Endpoint {endpoint.name} has deployed or being-deployed model(s)."
            raise GoogleError(400, message, status="FAILED_PRECONDITION")
        self._remove(endpoint.tuning, name=endpoint.name)
        return _done(request, "DeleteOperationMetadata")

    async def undeploy_model(self, request: Request) -> Response:
        """Take the model off an endpoint, which stays."""
        endpoint = self._find_endpoint(request)
        sent = parse_message(parse_json(await request.body()), self._types)
        if sent.deployed_model_id not in {model["id"] for model in endpoint.deployed_models()}:
            message = f"DeployedModel {sent.deployed_model_id!r} is not on this endpoint."
            raise GoogleError(404, message)
        tuning = endpoint.tuning
        changed = replace(tuning, undeployed=[*tuning.undeployed, endpoint.name])
        self._tunings.put(changed)
        return _done(request, "UndeployModelOperationMetadata", response="UndeployModelResponse")

    def _versions(self, request: Request, model_id: str = "") -> Iterator[Model]:
        """Yield the versions of one model, or of all models of a place, oldest first."""
        place = f"{parent_of(request.path_params)}/models/{model_id}"
        for tuning in self._tunings.all():
            is_meant = (
                tuning.model_name == place if model_id else tuning.model_name.startswith(place)
            )
            if is_meant and (model := model_of(tuning)):
                yield model

    def _models(self, request: Request) -> Iterable[Model]:
        """Return the default version of each model, which is its newest."""
        return {model.name: model for model in self._versions(request)}.values()

    def _endpoints(self, request: Request) -> Iterator[Endpoint]:
        place = parent_of(request.path_params)
        for tuning in self._tunings.all():
            if tuning.endpoint.startswith(f"{place}/"):
                yield from endpoints_of(tuning)

    def _find_versions(self, request: Request) -> list[Model]:
        """Return the versions of the model that a path names, oldest first; at least one."""
        model_id = request.path_params["model"].partition("@")[0]
        found = list(self._versions(request, model_id))
        if not found:
            raise GoogleError(
                404, f"Model {parent_of(request.path_params)}/models/{model_id} is not found."
            )
        return found

    def _find_model(self, request: Request) -> tuple[Model, bool]:
        """Return the version that a path names, and whether it is the default one."""
        versions = self._find_versions(request)
        version = request.path_params["model"].partition("@")[2]
        if version in {"", "default", str(versions[-1].version)}:
            return versions[-1], True
        found = next((model for model in versions if str(model.version) == version), None)
        if found is None:
            raise GoogleError(404, f"Model {versions[0].name}@{version} is not found.")
        return found, False

    def _find_endpoint(self, request: Request) -> Endpoint:
        name = f"{parent_of(request.path_params)}/endpoints/{request.path_params['endpoint']}"
        found = next((each for each in self._endpoints(request) if each.name == name), None)
        if found is None:
            raise GoogleError(404, f"Endpoint `{name}` was not found.")
        return found

    def _remove(self, tuning: Tuning, *, name: str) -> Tuning:
        return self._tunings.put(replace(tuning, removed=[*tuning.removed, name]))


def _done(request: Request, kind: str, **answer: Any) -> Response:
    version = request.url.path.split("/")[1]
    return JSONResponse(
        finished_operation(parent_of(request.path_params), version=version, kind=kind, **answer)
    )
