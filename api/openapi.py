"""The API's contract: what every operation says about its answers, and the document."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.errors import MEDIA_TYPE, Problem
from api.property_descriptions import describe_properties
from api.version import VERSION

Responses = dict[int | str, dict[str, Any]]

TITLE = "Tunecurve"
DESCRIPTION = (
    "How much labelled data do you need to fine-tune Gemini? Submit jobs, follow their events, "
    "read what they made. One verb creates work: `POST /v1/jobs`."
)
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_STATUSES = {
    400: "The body is not JSON",
    401: "No key, or one that is unknown, expired or revoked",
    403: "The key lacks the scope",
    404: "Not found in the key's project",
    408: "The body stopped arriving",
    409: "The state does not allow it",
    412: "The object has changed since it was read",
    413: "The body is larger than allowed",
    415: "The media type is not supported",
    416: "No such range",
    422: "The request or its data is not valid",
    428: "The header If-Match is missing",
    429: "Too many, come back later",
    500: "The server failed",
    502: "The provider gave no answer",
    503: "Something the server needs is away",
}
_HEADERS = {
    "ETag": "the version that this shows: for If-None-Match and If-Match",
    "Location": "path of what was made",
    "Retry-After": "seconds after which to ask again",
    "Idempotent-Replayed": "`true`: an earlier request with this Idempotency-Key made it",
    "WWW-Authenticate": "how to send a key, and the scope that is missing",
    "Content-Disposition": "the name to save it by",
    "Content-Range": "which bytes these are, and of how many",
    "Accept-Ranges": "`bytes` where the header Range is honoured",
    "Cache-Control": "`no-store`: a secret is inside",
    "X-Request-Id": "names the request in the server's log; one that was sent is kept",
}
_HEADERS_OF = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_ALWAYS = (401, 403, 422, 429, 500, 503)
RANGE_STATUS = 416
WITH_BODY = (400, 413, 415)


def problems(*statuses: int) -> Responses:
    """Return what an operation may answer but success; those that all share are added."""
    return {
        status: {
            "description": _STATUSES[status],
            "headers": documented_headers(*_HEADERS_OF.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": _PROBLEM_REF}},
        }
        for status in sorted({*_ALWAYS, *statuses})
    }


def documented_headers(*names: str) -> dict[str, Any]:
    """Return the description of a response's headers; the request's id is always one."""
    return {
        name: {"description": _HEADERS[name], "schema": {"type": "string"}}
        for name in sorted({*names, "X-Request-Id"})
    }


def answers(
    example: Any,
    *statuses: int,
    status: int = 200,
    description: str = "Done",
    sends: Sequence[str] = (),
) -> Responses:
    """Return the responses of an operation: success with an example, and its problems.

    `sends` are the headers of the success.
    """
    success: Responses = {
        status: {
            "description": description,
            "headers": documented_headers(*sends),
            "content": {"application/json": {"example": example}},
        }
    }
    return success | problems(*statuses)


def files(
    *media_types: str, json: tuple[str, Any] | None = None, statuses: tuple[int, ...] = ()
) -> Responses:
    """Return the responses of a download; `json` is the schema of its JSON, and an example.

    Where 416 is one of `statuses`, a range of its bytes is answered with 206.
    """
    content = {media_type: _media(media_type, json) for media_type in media_types}
    named = ("Content-Disposition",)
    success: Responses = {
        200: {"description": "The file", "headers": documented_headers(*named), "content": content}
    }
    if RANGE_STATUS in statuses:
        part = {
            media_type: _media("", None)
            for media_type in media_types
            if media_type not in {"application/json", "application/x-ndjson", "text/csv"}
        }
        success[200]["headers"] |= documented_headers("Accept-Ranges")
        success[206] = {
            "description": "The bytes that the header Range asks for",
            "headers": documented_headers(*named, "Accept-Ranges", "Content-Range"),
            "content": part,
        }
    return success | problems(*statuses)


def _media(media_type: str, json: tuple[str, Any] | None) -> dict[str, Any]:
    if media_type == "application/json" and json:
        return {"schema": {"$ref": f"#/components/schemas/{json[0]}"}, "example": json[1]}
    if media_type.startswith("text/") or media_type == "application/x-ndjson":
        return {"schema": {"type": "string"}, "example": "…"}
    return {"schema": {"type": "string", "format": "binary"}, "example": "…"}


def page_example(item: Mapping[str, Any], *, next_page: str | None = None) -> dict[str, Any]:
    return {"object": "list", "data": [item], "has_more": bool(next_page), "next": next_page}


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the first example that a schema brings along."""
    extra = model.model_config.get("json_schema_extra")
    examples = extra["examples"] if isinstance(extra, dict) else []
    if not isinstance(examples, list) or not isinstance(examples[0], dict):
        raise TypeError(f"{model.__name__} brings no example")
    return examples[0]


def _complete_parameters(built: dict[str, Any]) -> None:
    """Describe what a path is about; a missing If-Match is answered with a status of its own."""
    for operations in built["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    noun = parameter["name"].removesuffix("_id").replace("_", " ")
                    parameter.setdefault("description", f"id of the {noun}")
                if parameter["name"].lower() == "if-match":
                    parameter["required"] = True


def document(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI document of the routes of `app`."""
    built = get_openapi(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        webhooks=app.webhooks.routes,
    )
    schemas = built["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    return _described(built)


def document_of(route: APIRoute) -> dict[str, Any]:
    """Return what the document says of one route: to build all of it takes 0.7 s."""
    name = route.unique_id
    if name not in _of_routes:
        built = get_openapi(title=TITLE, version=VERSION, routes=[route])
        _of_routes[name] = _described(built)
    return _of_routes[name]


_of_routes: dict[str, dict[str, Any]] = {}


def _described(built: dict[str, Any]) -> dict[str, Any]:
    describe_properties(built.get("components", {}).get("schemas", {}))
    _complete_parameters(built)
    return built
