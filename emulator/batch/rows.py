"""The lines of a batch: each a request of its own, answered or refused on its own."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.batch.records import Counts
from emulator.errors import GoogleError
from emulator.parsing import parse_json

Answer = Callable[[dict[str, Any], int], Awaitable[dict[str, Any]]]
"""Answers a GenerateContentRequest, the row's number with it; raises GoogleError."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the output and the usage it is billed for."""

    line: bytes
    is_successful: bool
    prompt_tokens: int = 0
    output_tokens: int = 0

    def counted(self, counts: Counts) -> Counts:
        """Return the counts with this row done."""
        return Counts(
            successful=counts.successful + self.is_successful,
            failed=counts.failed + (not self.is_successful),
            incomplete=counts.incomplete - 1,
            prompt_tokens=counts.prompt_tokens + self.prompt_tokens,
            output_tokens=counts.output_tokens + self.output_tokens,
        )


async def answer_row(line: bytes, answer: Answer, *, number: int, moment: str) -> Row:
    """Return the line's output: what came in, the response, and its error text if there is one.

    Fields beside `request` are echoed when they are plain values, so that a client can join rows
    by an id of its own. A line that is no object has no request to echo.
    """
    document: dict[str, Any] = {}
    try:
        document = parse_json(line)
        request = _request_of(document)
        response = await answer(request, number)
    except GoogleError as error:
        body = json.dumps(error.body()["error"], ensure_ascii=False)
        return Row(
            _write(document, {}, status=f"{_title(error)}: {body}", moment=moment),
            is_successful=False,
        )
    usage = response.get("usageMetadata", {})
    return Row(
        _write(document, response, status="", moment=moment),
        is_successful=True,
        prompt_tokens=usage.get("promptTokenCount", 0),
        output_tokens=usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
    )


def _request_of(document: Mapping[str, Any]) -> dict[str, Any]:
    request = document.get("request")
    if not isinstance(request, dict):
        raise GoogleError(400, "A row needs a request, a GenerateContentRequest.")
    return request


def _title(error: GoogleError) -> str:
    return error.status.replace("_", " ").title()


def _write(
    document: Mapping[str, Any], response: Mapping[str, Any], *, status: str, moment: str
) -> bytes:
    extras = {
        name: value
        for name, value in document.items()
        if value is None or isinstance(value, str | int | float)
    }
    row = {
        "status": status,
        "processed_time": moment,
        "request": document.get("request", {}),
        "response": response,
    }
    return json.dumps(extras | row, ensure_ascii=False).encode() + b"\n"
