"""Connections that end before their answer does."""

from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from emulator.errors import GoogleError


class DroppedConnectionError(GoogleError):
    """The client gets no answer at all; only the emulator's own handler sees this error."""

    def __init__(self) -> None:
        super().__init__(503, "The connection was dropped.", status="UNAVAILABLE")


class DroppedResponse(Response):
    """No answer: the connection is reset."""

    async def __call__(self, _: Scope, receive: Receive, __: Send) -> None:
        transport_of(receive).abort()
        await _disconnected(receive)


class TruncatedResponse(Response):
    """Another response that announces its whole length and ends in the middle."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _rendered(self._whole, scope, receive)
        await send(start)
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        transport_of(receive).close()
        await _disconnected(receive)


class MalformedResponse(Response):
    """Another response whose body comes to an end too early, and says that it is complete."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _rendered(self._whole, scope, receive)
        broken = body[: len(body) // 2] + b"<"
        length = (b"content-length", str(len(broken)).encode())
        headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        await send(start | {"headers": [*headers, length]})
        await send({"type": "http.response.body", "body": broken})


async def _rendered(whole: Response, scope: Scope, receive: Receive) -> tuple[Any, bytes]:
    """Return the first message of a response and its body, which is not sent."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await whole(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _disconnected(receive: Receive) -> None:
    """Wait until the server knows: a call that ends earlier gets an answer of the server's own."""
    while (await receive())["type"] != "http.disconnect":
        pass


def transport_of(receive: Receive) -> Any:
    """Return the connection behind a request. ASGI has no word for dropping it, uvicorn's does."""
    return receive.__self__.transport  # type: ignore[attr-defined]
