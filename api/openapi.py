"""The API's contract: what every operation says about its answers, and the document."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.errors import MEDIA_TYPE, Problem
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
    503: "Something the server needs is away",
}
_ALWAYS = (401, 403, 422, 500, 503)
WITH_BODY = (400, 413, 415)


def problems(*statuses: int) -> Responses:
    """Return what an operation may answer but success; those that all share are added."""
    return {
        status: {
            "description": _STATUSES[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM_REF}},
        }
        for status in sorted({*_ALWAYS, *statuses})
    }


def answers(
    example: Any, *statuses: int, status: int = 200, description: str = "Done"
) -> Responses:
    """Return the responses of an operation: success with an example, and its problems."""
    success: Responses = {
        status: {
            "description": description,
            "content": {"application/json": {"example": example}},
        }
    }
    return success | problems(*statuses)


def files(*media_types: str, statuses: tuple[int, ...] = ()) -> Responses:
    """Return the responses of a download."""
    content: Mapping[str, Any] = {
        media_type: {"schema": {"type": "string", "format": "binary"}, "example": "…"}
        for media_type in media_types
    }
    success: Responses = {200: {"description": "The file", "content": content}}
    return success | problems(*statuses)


def page_example(item: Mapping[str, Any], *, next_page: str | None = None) -> dict[str, Any]:
    return {"object": "list", "data": [item], "has_more": bool(next_page), "next": next_page}


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the first example that a schema brings along."""
    extra = model.model_config.get("json_schema_extra")
    examples = extra["examples"] if isinstance(extra, dict) else []
    if not isinstance(examples, list) or not isinstance(examples[0], dict):
        raise TypeError(f"{model.__name__} brings no example")
    return examples[0]


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, built once."""
    if app.openapi_schema is None:
        built = get_openapi(
            title=TITLE,
            version=VERSION,
            description=DESCRIPTION,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            servers=[{"url": "/"}],
        )
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        built["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        app.openapi_schema = built
    return app.openapi_schema
