"""The rows of a batch: each a request, answered by the job's model or failed by itself."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.admission.faults import (
    apply_content_fault,
    content_fault,
    raise_random_error,
    raise_random_row_error,
)
from emulator.admission.quotas import Quotas
from emulator.batch.records import Counts
from emulator.catalogue import MODELS
from emulator.clock import CLOCK, timestamp
from emulator.errors import GoogleError
from emulator.inference.generation import Generator
from emulator.inference.targets import Target, endpoint_target, publisher_target
from emulator.messages import parse_json
from emulator.resources import with_project_number
from emulator.settings import Settings

_TRIES = 3
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the output and the usage it is billed for."""

    line: bytes
    is_successful: bool
    prompt_tokens: int = 0
    output_tokens: int = 0

    def added_to(self, counts: Counts) -> Counts:
        """Return the counts with this row done."""
        return Counts(
            successful=counts.successful + self.is_successful,
            failed=counts.failed + (not self.is_successful),
            incomplete=counts.incomplete - 1,
            prompt_tokens=counts.prompt_tokens + self.prompt_tokens,
            output_tokens=counts.output_tokens + self.output_tokens,
        )


class RowGenerator:
    """Answers rows. A row has neither a delay nor a connection to lose.

    It waits for what others leave of the shared quota and knows no other quota; the service tries
    it again when it fails.
    """

    def __init__(
        self, generator: Generator, *, quotas: Quotas, settings: Callable[[], Settings]
    ) -> None:
        self._generator = generator
        self._quotas = quotas
        self._settings = settings

    def find_target(self, model: str, *, parent: str) -> Target:
        """Return the target of a job's model name; `parent` is the job's project and location.

        Raises GoogleError 404 for a missing model, 400 for a tuned one without batch prediction.
        """
        if "/publishers/" in f"/{model}":
            publisher = f"/{model}".partition("/publishers/")[2].partition("/")[0]
            location = parent.rpartition("/")[2]
            return publisher_target(model, publisher=publisher, location=location)
        name, tunings = with_project_number(model), self._generator.tunings
        tuned = tunings.find_model(name)
        if tuned is None and "/endpoints/" not in name:
            raise GoogleError(404, f"Model {model} is not found.")
        target = endpoint_target(tuned.endpoint if tuned else name, tunings=tunings)
        # Before the location: a model tuned in a region and served at `us` has no right one.
        if not MODELS[target.base_model].has_tuned_batch:
            message = f"Batch prediction is not supported for tuned {target.base_model} models."
            raise GoogleError(400, message)
        if not name.startswith(f"{parent}/"):
            raise GoogleError(404, f"Model {model} is not found.")
        return target

    async def answer(self, line: bytes, *, target: Target, serial: int) -> Row:
        """Return the line's output: its input, the response, and an error text if there is one.

        Fields beside `request` are echoed when they are plain values, so that a client can join
        rows by an id of its own. A line that is no object has no request to echo. `serial` is
        another number for each row of the server: its random faults follow from it.
        """
        # Google writes these moments with milliseconds and an offset.
        moment = timestamp()[:23] + "+00:00"
        document: dict[str, Any] = {}
        try:
            document = parse_json(line)
            response = await self._respond(_request_of(document), target, serial)
        except GoogleError as error:
            body = json.dumps(error.body()["error"], ensure_ascii=False)
            status = f"{error.status.replace('_', ' ').title()}: {body}"
            return Row(_output(document, {}, status=status, moment=moment), is_successful=False)
        usage = response.get("usageMetadata", {})
        return Row(
            _output(document, response, status="", moment=moment),
            is_successful=True,
            prompt_tokens=usage.get("promptTokenCount", 0),
            output_tokens=usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
        )

    async def _respond(
        self, document: dict[str, Any], target: Target, serial: int
    ) -> dict[str, Any]:
        request = self._generator.read(document, target=target)
        await self._wait_for_capacity(target.base_model)
        settings = self._settings().of_model(target.base_model)
        raise_random_row_error(settings, digest=request.digest)
        _try_repeatedly(settings, digest=request.digest, serial=serial)
        response = await self._generator.respond(target, request)
        fault = content_fault(settings, digest=request.digest)
        most = request.max_output_tokens
        body = apply_content_fault(response, fault, max_output_tokens=most)
        return body | {"modelVersion": f"{target.base_model}@default"}

    async def _wait_for_capacity(self, base_model: str) -> None:
        while True:
            settings = self._settings().of_model(base_model)
            seconds = self._quotas.take_for_batch(base_model, settings)
            # Also without a wait: a long batch must not keep the server from its other work.
            await asyncio.sleep(min(seconds / CLOCK.speed, _POLL_SECONDS))
            if not seconds:
                return


def _try_repeatedly(settings: Settings, *, digest: bytes, serial: int) -> None:
    """Raise the last try's GoogleError 500 or 503 when all of them fail."""
    without_drops = replace(settings, drop_before_rate=0.0)
    for number in range(_TRIES):
        try:
            raise_random_error(without_drops, digest=digest, attempt=serial * _TRIES + number)
        except GoogleError:
            if number == _TRIES - 1:
                raise
        else:
            return


def _request_of(document: Mapping[str, Any]) -> dict[str, Any]:
    request = document.get("request")
    if not isinstance(request, dict):
        raise GoogleError(400, "A row needs a request, a GenerateContentRequest.")
    return request


def _output(
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
