"""What answers the rows of a job: its model, with the faults a row can meet."""

import asyncio
from dataclasses import replace
from typing import Any

from emulator.batch.queue import Answers
from emulator.batch.records import BatchJob
from emulator.batch.rows import Answer
from emulator.catalogue import MODELS
from emulator.clock import CLOCK
from emulator.errors import GoogleError
from emulator.faults import content_fault, refuse_by_chance, refuse_row_by_chance, spoil
from emulator.inference.generation import respond
from emulator.inference.requests import Question, read_question
from emulator.inference.targets import Target, endpoint_target, publisher_target
from emulator.projects import project_number
from emulator.settings import Settings
from emulator.state import Emulator

_TRIES = 3
_MOST_ROWS = 10**6
_LOOK_AGAIN_SECONDS = 0.1


def find_batch_target(emulator: Emulator, model: str, *, place: str) -> Target:
    """Return what a job's model name means at a place (`projects/NUMBER/locations/LOCATION`).

    Raises GoogleError 404 for what is not there, 400 for a tuned Gemini 3, which has no batches.
    """
    if "/publishers/" in f"/{model}":
        publisher = f"/{model}".partition("/publishers/")[2].partition("/")[0]
        location = place.rpartition("/")[2]
        return publisher_target(model, publisher=publisher, location=location)
    name = _with_number(model)
    tuned = emulator.tunings.find_model(name)
    if tuned is None and "/endpoints/" not in name:
        raise GoogleError(404, f"Model {model} is not found.")
    target = endpoint_target(tuned.endpoint if tuned else name, tunings=emulator.tunings)
    # Before the place: tuned in a region and served from `us`, it has no place that would be right.
    if not MODELS[target.base_model].has_tuned_batch:
        message = f"Batch prediction is not supported for tuned {target.base_model} models."
        raise GoogleError(400, message)
    if not name.startswith(f"{place}/"):
        raise GoogleError(404, f"Model {model} is not found.")
    return target


def _with_number(name: str) -> str:
    head, _, rest = name.removeprefix("projects/").partition("/")
    return f"projects/{project_number(head)}/{rest}"


def answers_in(emulator: Emulator) -> Answers:
    """Return what answers the rows of jobs.

    A row has neither a delay nor a connection to lose. It waits for what others leave of the shared
    quota and knows no other quota; the service tries it again when it fails.
    """

    def answers(job: BatchJob) -> Answer:
        target = find_batch_target(emulator, job.model, place=job.parent)
        types = emulator.request_types.generate_content

        async def answer(document: dict[str, Any], number: int) -> dict[str, Any]:
            question = read_question(document, types, target=target)
            await _wait_for_capacity(emulator, target.base_model)
            settings = emulator.settings.of_model(target.base_model)
            refuse_row_by_chance(settings, digest=question.digest)
            _try_luck(settings, question, row=job.serial * _MOST_ROWS + number)
            response = await respond(emulator, target, question)
            fault = content_fault(settings, digest=question.digest)
            body = spoil(response, fault, max_output_tokens=question.max_output_tokens)
            return body | {"modelVersion": f"{target.base_model}@default"}

        return answer

    return answers


async def _wait_for_capacity(emulator: Emulator, base_model: str) -> None:
    while True:
        settings = emulator.settings.of_model(base_model)
        seconds = emulator.quotas.take_for_batch(base_model, settings)
        # Also without a wait: a long batch must not keep the server from its other work.
        await asyncio.sleep(min(seconds / CLOCK.speed, _LOOK_AGAIN_SECONDS))
        if not seconds:
            return


def _try_luck(settings: Settings, question: Question, *, row: int) -> None:
    """Raise the last try's GoogleError 500 or 503 when all of them fail."""
    calm = replace(settings, drop_before_rate=0.0)
    for number in range(_TRIES):
        try:
            refuse_by_chance(calm, digest=question.digest, attempt=row * _TRIES + number)
        except GoogleError:
            if number == _TRIES - 1:
                raise
        else:
            return
