"""`tunecurve demo`: one experiment from start to report, on a stack of its own if need be."""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunecurve.commands.options import DataDirOption, KeyOption, UrlOption, connect
from tunecurve.demonstration import (
    DemoPlan,
    describe,
    download_results,
    parse_sizes,
    submit_experiment,
    summarise,
    write_summary,
)
from tunecurve.progress import say
from tunecurve.settings import data_folder, read_environment
from tunecurve.waiting import require_success, see_through

if TYPE_CHECKING:
    from tunecurve.http import Client


class Preset(StrEnum):
    PII = "pii"
    SQUAD = "squad"
    SENTIMENT = "sentiment"


def demo(  # noqa: PLR0913 - typer turns each argument into an option
    *,
    preset: Annotated[Preset, typer.Option(help="The task.")] = Preset.PII,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="JSONL, CSV or JSON file."),
    ] = None,
    train_sizes: Annotated[str, typer.Option(help="Sizes to tune on.")] = "50,200,800",
    test_size: Annotated[int, typer.Option(min=1, help="Rows to score on.")] = 200,
    shots: Annotated[int, typer.Option(min=0, help="Examples in a few-shot prompt.")] = 3,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed and data give the same split.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Also write the result here.")
    ] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the report.")] = Path(
        "out"
    ),
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Draw one learning curve.

    Starts the stack if none runs and stops what it started.
    """
    plan = DemoPlan(preset, data, parse_sizes(train_sizes), test_size, shots, seed)
    with _server(url, key, data_dir) as client:
        job = submit_experiment(client, plan)
        say(f"submitted {job['id']}")
        ended = see_through(client, job["id"], resume="tunecurve up, then tunecurve watch")
        require_success(ended)
        experiment = client.get("experiments", ended["outputs"]["experiment"])
        report = download_results(client, experiment["id"], folder=out)
    if json_file is not None:
        write_summary(json_file, summarise(experiment, report=report))
    print(describe(experiment, report=report))


@contextlib.contextmanager
def _server(url: str | None, key: str | None, data_dir: Path | None) -> "Iterator[Client]":
    environment = read_environment()
    if url or (environment.get("TUNECURVE_URL") and data_dir is None):
        with connect(url, key) as client:
            yield client
        return
    from tunecurve.stack.background import running_stack

    folder = data_folder(environment, chosen=data_dir)
    with (
        running_stack(folder, environment, report=say) as stack,
        connect(stack.url, key, data_dir=folder) as client,
    ):
        yield client
