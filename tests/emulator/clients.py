"""Google's own clients, pointed at the emulator as its documentation says."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from tests.support.emulator import EmulatorProcess

Result = TypeVar("Result")


def genai_client(
    emulator: EmulatorProcess, *, location: str = "global", api_version: str = "v1"
) -> Any:
    """Return a google-genai client; the caller closes it."""
    from google.genai import Client, types
    from google.oauth2.credentials import Credentials

    options = types.HttpOptions(
        base_url=emulator.url,
        api_version=api_version,
        timeout=30_000,
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
            patch.delenv(name, raising=False)
        return Client(
            enterprise=True,
            project="lab",
            location=location,
            credentials=Credentials(token="emulator"),  # type: ignore[no-untyped-call]
            http_options=options,
        )


def rest_client(emulator: EmulatorProcess, client_type: Any, *, transport: str = "rest") -> Any:
    """Return a client of `aiplatform_v1`, such as `ModelServiceClient`."""
    from google.auth.credentials import AnonymousCredentials

    return client_type(
        transport=transport,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": emulator.url},
    )


def in_event_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in an event loop of its own."""
    with asyncio.Runner() as runner:
        return runner.run(work)
