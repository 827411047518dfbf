"""Calls of publisher models and endpoints, their tokens, and the list of publisher models."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.catalogue import MODELS
from emulator.inference.generation import Generator
from emulator.inference.streams import stream_content
from emulator.messages import encode_json
from emulator.pages import page_of


class InferenceRoutes:
    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def routes(self, version: str) -> list[Route]:
        home = f"/{version}/projects/{{project}}/locations/{{location}}"
        model = f"{home}/publishers/{{publisher}}/models/{{model}}"
        verbs = {
            "generateContent": self.generate_content,
            "streamGenerateContent": self.stream_generate_content,
            "countTokens": self.count_tokens,
            "computeTokens": self.compute_tokens,
        }
        return [
            Route(f"/{version}/publishers/google/models", self.list_models, methods=["GET"]),
            *(
                Route(f"{place}:{verb}", handler, methods=["POST"])
                for place in (model, f"{home}/endpoints/{{endpoint}}")
                for verb, handler in verbs.items()
            ),
        ]

    async def generate_content(self, request: Request) -> Response:
        call = await self._generator.admit(request)
        body = encode_json(await self._generator.generate(call))
        return call.admission.deliver(Response(body, media_type="application/json"))

    async def stream_generate_content(self, request: Request) -> Response:
        return await stream_content(request, generator=self._generator)

    async def count_tokens(self, request: Request) -> Response:
        body = await request.body()
        return JSONResponse(self._generator.count(request.path_params, body))

    async def compute_tokens(self, request: Request) -> Response:
        body = await request.body()
        return JSONResponse(self._generator.compute_tokens(request.path_params, body))

    async def list_models(self, request: Request) -> Response:
        """List the base models that are served, those retired among them."""
        names = [f"publishers/google/models/{name}" for name in MODELS]
        page = page_of(list(enumerate(names)), request.query_params, place=lambda each: -each[0])
        body = page.describe(
            "publisherModels", lambda each: {"name": each[1], "versionId": "default"}
        )
        return JSONResponse(body)
