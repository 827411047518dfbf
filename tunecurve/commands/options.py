"""Options that several verbs share, and the client that they select."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunecurve.output import OutputFormat
from tunecurve.settings import find_server, read_environment

if TYPE_CHECKING:
    from tunecurve.client import Client

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Server; else TUNECURVE_URL, else the running stack.")
]
KeyOption = Annotated[str | None, typer.Option("--key", help="API key; else TUNECURVE_KEY.")]
OutputOption = Annotated[OutputFormat, typer.Option("-o", "--output", help="What to print.")]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the embedded stack.")
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=0, help="Seconds to wait at most.")
]


@contextlib.contextmanager
def connect(
    url: str | None,
    key: str | None,
    *,
    data_dir: Path | None = None,
    timeout_seconds: float = 30,
) -> "Iterator[Client]":
    """Yield a client of the server named by flags, environment or the running stack."""
    from tunecurve.client import Client

    server = find_server(read_environment(), url=url, key=key, data_dir=data_dir)
    with Client(server.url, server.key, timeout_seconds=timeout_seconds) as client:
        yield client
