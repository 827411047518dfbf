"""Calls of the client about models: ask one, name one, clean up behind them."""

from collections.abc import Iterator
from typing import Any

from tunecurve.errors import ApiError
from tunecurve.transport import Transport

Json = dict[str, Any]

_SECONDS = 150.0  # the server gives up before: 120 s, waits for quota included


class ModelCalls:
    """A part of `tunecurve.client.Client`."""

    _transport: Transport

    def generate(self, model: str, text: str, **settings: Any) -> Json:
        """Put one text to a model, the id of a tuned one or the name of a base model.

        `settings` are those of the API, such as `system` or `max_output_tokens`. Each call is
        paid for, so none is sent twice.
        """
        return self._transport.json(
            "POST",
            f"/v1/models/{model}/generate",
            body={"text": text, **settings},
            replayable=False,
            timeout_seconds=_SECONDS,
        )

    def model(self, model: str) -> Json:
        """Return a model with its lineage, aliases and retirement; takes an alias, too."""
        return self._transport.json("GET", f"/v1/models/{model}")

    def set_alias(self, name: str, model: str, *, force: bool = False) -> Json:
        """Have an alias such as `pii@best` stand for a model.

        Without `force` it moves only to a model that is not shown to be worse.
        """
        body = {"model": model, "force": force}
        return self._transport.json("PUT", f"/v1/aliases/{name}", body=body)

    def generate_stream(self, model: str, text: str, **settings: Any) -> Iterator[Json]:
        """Yield `{"text": piece}` while the answer comes, then the object that `generate` returns.

        Raises ApiError, also after pieces: the answer then broke off.
        """
        events = self._transport.events(
            "POST",
            f"/v1/models/{model}/generate",
            body={"text": text, **settings, "stream": True},
            timeout_seconds=_SECONDS,
        )
        for name, data in events:
            if name == "error":
                raise ApiError.of(data)
            yield data
