"""Errors as HTTP: problem documents (RFC 9457) that never repeat the request's content."""

from collections.abc import Iterable, Mapping, Sequence

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from api.contract_lookup import ContractLookup, Schema
from api.request_faults import faults_of, summary_of
from service.errors import Fault, Forbidden, Internal, RateLimited, TunecurveError, Unauthenticated
from service.jobs.schemas import ProblemFault

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "5"
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_NO_STATUS_LINE = {
    400: ("invalid_json", "The body is not JSON", "the body cannot be read as JSON in UTF-8"),
    404: ("not_found", "Not found", "no such path; see /openapi.json"),
    405: ("method_not_allowed", "Method not allowed", "see the header Allow for what is"),
    408: (
        "body_stopped",
        "The body stopped arriving",
        "nothing came for too long; send it again",
    ),
    413: ("too_large", "The body is larger than allowed", "the body is larger than allowed here"),
    415: (
        "unsupported_media_type",
        "Unsupported media type",
        "send the body as application/json and say so in Content-Type",
    ),
}


class Problem(BaseModel):
    """What went wrong. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemFault]


def problem_response(
    status: int,
    code: str,
    *,
    title: str,
    detail: str,
    scope: Scope,
    faults: Iterable[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document that carries the request's id."""
    problem = Problem(
        type=f"urn:tunecurve:error:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        request_id=scope.get("state", {}).get("request_id", ""),
        errors=[
            ProblemFault(pointer=fault.pointer, code=fault.code, message=fault.message)
            for fault in faults
        ],
    )
    return JSONResponse(
        problem.model_dump(), status_code=status, headers=headers, media_type=MEDIA_TYPE
    )


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(TunecurveError, _on_tunecurve_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


async def _on_tunecurve_error(request: Request, error: Exception) -> Response:
    known = error if isinstance(error, TunecurveError) else Internal("the server failed")
    return error_response(known, request.scope)


def error_response(error: TunecurveError, scope: Scope) -> Response:
    """Return an error of ours as a problem document."""
    if error.status >= Internal.status:
        log.warning("request_refused", code=error.code, status=error.status)
    return problem_response(
        error.status,
        error.code,
        title=error.title,
        detail=error.message,
        scope=scope,
        faults=error.faults,
        headers=_headers_of(error),
    )


def _headers_of(error: TunecurveError) -> dict[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="tunecurve"'}
        case Forbidden():
            return {"WWW-Authenticate": 'Bearer realm="tunecurve", error="insufficient_scope"'}
        case RateLimited():
            return {"Retry-After": str(error.retry_seconds)}
        case _:
            return {"Retry-After": _RETRY_SECONDS} if error.retryable else {}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: no such path, method, body too large."""
    status = error.status_code if isinstance(error, HTTPException) else Internal.status
    fallback = (f"http_{status}", "The request cannot be answered", "see the status")
    code, title, detail = _NO_STATUS_LINE.get(status, fallback)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405:  # noqa: PLR2004  HTTP's own number
        headers["Allow"] = ", ".join(_allowed(request))
    return problem_response(
        status, code, title=title, detail=detail, scope=request.scope, headers=headers
    )


def _allowed(request: Request) -> list[str]:
    """Return the methods of every route with this path; the framework names only the first's."""
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    return ["GET", "HEAD", *allowed[1:]] if "GET" in allowed else allowed


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    body = getattr(error, "body", None)
    if any(each["type"] == "json_invalid" for each in found):
        return await _on_http_exception(request, HTTPException(400))
    if isinstance(body, bytes) and body:  # JSON that did not say so arrives unparsed
        return await _on_http_exception(request, HTTPException(415))
    route, method = request.scope["route"], request.method

    def schemas_at(place: Sequence[str | int]) -> list[Schema]:
        lookup = ContractLookup(request.app.document_of(route))
        return lookup.schemas_at(route.path_format, method, place)

    faults = faults_of(found, body=body, schemas_at=schemas_at)
    return problem_response(
        422,
        "validation_failed",
        title="The request is not valid",
        detail=summary_of(faults),
        scope=request.scope,
        faults=faults,
    )
