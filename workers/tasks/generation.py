"""The task of single calls of local models: the API hands them to a worker that holds the model."""

from service.inference.operations import loop_thread
from service.inference.ports import Generation, GenerationRequest
from service.inference.redis_relay import TASK, Emit, answer_relayed
from service.task_queue import queue_names
from workers.app import app, container
from workers.gpu import claim_gpu


@app.task(name=TASK)
def answer(call_id: str) -> None:
    services = container()
    claim_gpu()

    def generate(request: GenerationRequest, emit: Emit | None) -> Generation:
        if emit is None:
            return loop_thread().run(services.local.generate(request))
        return loop_thread().run(services.local.stream(request, emit=emit))

    answer_relayed(
        call_id,
        redis_url=services.redis.url,
        prefix=queue_names(services.settings).prefix,
        answer=generate,
    )
