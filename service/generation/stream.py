"""A generator that passes one answer on while it comes."""

from collections.abc import Callable

from service.inference.ports import Generation, GenerationRequest, StreamingGenerator
from service.inference.retry import CallFailed, Refusal


class StreamedCall:
    """A Generator of one request, whose text goes to `emit` piece by piece.

    What has been passed on cannot be taken back: after the first piece nothing is tried again.
    """

    def __init__(self, generator: StreamingGenerator, *, emit: Callable[[str], None]) -> None:
        self._generator, self._emit = generator, emit
        self._pieces = 0

    async def generate(self, request: GenerationRequest) -> Generation:
        if self._pieces > 0:
            raise CallFailed(Refusal.PERMANENT, "the answer broke off", sent=False)
        try:
            return await self._generator.stream(request, emit=self._pass_on)
        except CallFailed as failure:
            if self._pieces == 0:
                raise
            message = f"the answer broke off: {failure.message}"
            raise CallFailed(Refusal.PERMANENT, message, reached=failure.reached) from failure

    async def close(self) -> None:
        """The generator still serves others."""

    def _pass_on(self, text: str) -> None:
        self._pieces += 1
        self._emit(text)
