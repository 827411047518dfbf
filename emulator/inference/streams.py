"""streamGenerateContent: one answer in pieces, as server-sent events or as one JSON array."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate, zip_longest
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from emulator.admission.connections import DroppedConnectionError
from emulator.admission.gate import Admission
from emulator.errors import GoogleError
from emulator.inference.generation import Generator
from emulator.prompts import CHARACTERS_PER_TOKEN

_FIRST_TOKENS = 1
_GROWTH = 4
_MOST_TOKENS = 64


async def stream_content(request: Request, *, generator: Generator) -> Response:
    """Answer in pieces; `?alt=sse` asks for events, any other `alt` for an array.

    An error before the first piece has an HTTP status of its own, in an array its body is an array.
    """
    is_sse = request.query_params.get("alt") == "sse"
    try:
        call = await generator.admit(request)
    except GoogleError as error:
        if is_sse or isinstance(error, DroppedConnectionError):
            raise
        return Response(json.dumps([error.body()]), error.http_code, media_type="application/json")
    with ExitStack() as stack:
        use = stack.enter_context(generator.in_flight(call))
        pieces = split_response(await generator.generate_at_once(call, use))
        # A call that hangs has no headers, either. Nothing of a faulty delivery comes early; one
        # that is whole comes piece by piece.
        await call.admission.wait(1.0 if call.admission.delivery_fault() else 0.0)
        response = _respond(pieces, call.admission, is_sse=is_sse)
        holds = stack.pop_all()
    return HeldResponse(call.admission.deliver(response), holds)


def _respond(
    pieces: Sequence[dict[str, Any]], admission: Admission, *, is_sse: bool
) -> StreamingResponse:
    texts = list(as_events(pieces) if is_sse else as_array(pieces))
    media_type = "text/event-stream" if is_sse else "application/json"
    return StreamingResponse(_paced(texts, pieces, admission), media_type=media_type)


class HeldResponse(Response):
    """Another response; `holds` end when it has been sent or its client is gone."""

    def __init__(self, whole: Response, holds: ExitStack) -> None:
        super().__init__()
        self._whole = whole
        self._holds = holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._holds:
            await self._whole(scope, receive, send)


async def _paced(
    texts: Sequence[str], pieces: Sequence[dict[str, Any]], admission: Admission
) -> AsyncIterator[str]:
    """Yield the texts of the pieces, each when its share of the whole answer's time has passed."""
    for text, share in zip_longest(texts, shares_of(pieces), fillvalue=1.0):
        await admission.wait(float(share))
        yield str(text)


def shares_of(pieces: Sequence[dict[str, Any]]) -> list[float]:
    """Return how much of all text has come with each piece; the last has all of it."""
    lengths = [
        sum(
            len(part.get("text", ""))
            for candidate in piece.get("candidates", [])
            for part in candidate.get("content", {}).get("parts", [])
        )
        for piece in pieces
    ]
    whole = sum(lengths)
    return [length / whole if whole else 1.0 for length in accumulate(lengths)]


def split_response(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pieces of a response: text in all, the rest of a candidate in its last piece.

    As recorded: every piece names the model, the moment and the response's id; until the last the
    usage has nothing but the traffic type. Candidates beyond the first follow one another.
    """
    shared = {
        name: value
        for name, value in response.items()
        if name not in {"candidates", "usageMetadata", "promptFeedback"}
    }
    parts = [
        piece
        for candidate in response.get("candidates", [])
        for piece in _split_candidate(candidate)
    ]
    usage = response.get("usageMetadata", {})
    early = {name: usage[name] for name in usage.keys() & {"trafficType"}}
    pieces = [{"candidates": [part], "usageMetadata": early} | shared for part in parts]
    last = pieces[-1] if pieces else dict(shared)
    last |= {"usageMetadata": usage} if usage else {}
    if "promptFeedback" in response:
        last |= {"promptFeedback": response["promptFeedback"]}
    return [*pieces[:-1], last]


def _split_candidate(candidate: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a candidate's parts one by one, a text cut further; the last piece keeps the rest."""
    content = candidate.get("content", {})
    parts = [piece for part in content.get("parts", []) for piece in _split_part(part)]
    index = {"index": candidate["index"]} if "index" in candidate else {}
    for part in parts[:-1]:
        yield {"content": content | {"parts": [part]}} | index
    yield candidate | ({"content": content | {"parts": parts[-1:]}} if parts else {})


def _split_part(part: dict[str, Any]) -> list[dict[str, Any]]:
    if not part.get("text"):
        return [part]
    return [part | {"text": text} for text in split_text(part["text"])]


def split_text(text: str) -> list[str]:
    """Cut a text into pieces of 1, 4, 16 and then 64 tokens: the first soon, the later larger."""
    pieces, start, tokens = [], 0, _FIRST_TOKENS
    while start < len(text):
        end = start + tokens * CHARACTERS_PER_TOKEN
        pieces.append(text[start:end])
        start, tokens = end, min(tokens * _GROWTH, _MOST_TOKENS)
    return pieces


def as_events(pieces: Sequence[dict[str, Any]]) -> Iterator[str]:
    for piece in pieces:
        yield f"data: {json.dumps(piece, ensure_ascii=False)}\r\n\r\n"


def as_array(pieces: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield one JSON array in parts, each of whole objects, as Google's array form comes."""
    for number, piece in enumerate(pieces):
        yield f"{',' if number else '['}{json.dumps(piece, ensure_ascii=False)}\r\n"
    yield "]" if pieces else "[]"
