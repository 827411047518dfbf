"""Requests that schemathesis generates from the contract, each answer checked against it."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Contract = Mapping[str, Any]


def _no_defect(context: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """503 says what is away now; that it is told is for the other checks."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    return not_a_server_error(context, response, case)


_CHECKS = [
    _no_defect,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
_ENDLESS = "/v1/events/stream"  # it answers for minutes


def operations_of(contract: Contract) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """Yield every operation but the event stream."""
    schema = schemathesis.openapi.from_dict(dict(contract))
    for result in schema.get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operation = result.ok()
        if operation.path != _ENDLESS:
            yield operation


def check_operation(
    operation: APIOperation[Any, Any, Any, Any],
    *,
    url: str,
    secret: str,
    ids: Mapping[str, str],
    count: int,
    first_seed: int = 0,
) -> int:
    """Send up to `count` requests, some valid and some broken; return how many.

    Raises where an answer is not as in the contract. Operations with few requests get fewer.

    Half of the readings ask for what is there: `ids` by the name of the path's parameter.
    """
    headers, sent = {"Authorization": f"Bearer {secret}"}, 0

    @seed(first_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data(), mode=st.sampled_from(list(GenerationMode)), is_there=st.booleans())
    def send(data: st.DataObject, mode: GenerationMode, is_there: bool) -> None:  # noqa: FBT001  drawn
        nonlocal sent
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if is_there and operation.method == "get":
            case.path_parameters |= {k: v for k, v in ids.items() if k in case.path_parameters}
        case.call_and_validate(base_url=url, headers=headers, checks=_CHECKS, timeout=300)
        sent += 1

    send()
    return sent
