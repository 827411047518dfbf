"""Vertex AI's evaluation service over REST: scores of texts, sent and paced as calls of a model."""

from service.inference.generators.vertex import EMULATOR_HEADER, VertexGenerator
from service.inference.ports import (
    EVALUATION_SERVICE,
    Generation,
    GenerationRequest,
    Generator,
    Outcome,
)


class EvaluationServiceGenerator:
    """A Generator of `:evaluateInstances`: the text of a request is the body as JSON, the text of
    its Generation the body of the answer.

    The service counts no tokens: those of the Generation are our estimate. Connections are those
    of `vertex`, which closes them.
    """

    def __init__(self, vertex: VertexGenerator) -> None:
        self._vertex = vertex

    async def generate(self, request: GenerationRequest) -> Generation:
        [turn] = request.contents
        url = self._vertex.url_of_location(request.location, "evaluateInstances")
        async with self._vertex.post(url, turn.text.encode(), texts=request.texts) as response:
            answer = await response.read()
        return Generation(
            Outcome.OK,
            text=answer.decode(errors="replace"),
            prompt_tokens=request.estimated_prompt_tokens,
            synthetic=EMULATOR_HEADER in response.headers,
            uncounted=True,
        )

    async def close(self) -> None:
        """Nothing is its own."""


def generator_of(target: str, *, vertex: VertexGenerator) -> Generator:
    """Return what sends the requests to a target of Vertex AI: a model, or the service."""
    return EvaluationServiceGenerator(vertex) if target == EVALUATION_SERVICE else vertex
