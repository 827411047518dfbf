"""`tunecurve demo`: one experiment from its data to its report, on a stack that it may start."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.commands.options import DataDirOption, KeyOption, UrlOption, connect
from tunecurve.errors import UsageError
from tunecurve.experiments import describe_experiment
from tunecurve.output import print_message
from tunecurve.progress import require_success, wait_for_job
from tunecurve.settings import data_folder, server_environment
from tunecurve.whole_files import written_whole

if TYPE_CHECKING:
    from tunecurve.client import Client

Json = dict[str, Any]

_SYNTHETIC_ROWS = 3000
_GENERATED_PRESET = "pii"
_FILES = {"html": "report.html", "json": "curve.json", "parquet": "curve.parquet"}
_VARIANT_FIELDS = (
    "name", "kind", "train_size", "metric", "score", "low", "high", "coverage", "test_rows",
    "groups",
)  # fmt: skip


class Preset(StrEnum):
    PII = "pii"
    SQUAD = "squad"
    SENTIMENT = "sentiment"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to measure; sizes count examples, `more` is of the experiment's spec.

    Raises UsageError for a plan that cannot work.
    """

    preset: str
    data: Path | None
    train_sizes: tuple[int, ...]
    test_size: int
    shots: int
    seed: int
    more: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data is None and self.preset != _GENERATED_PRESET:
            raise UsageError(f"--preset {self.preset} has no data of its own; give --data FILE")


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
    spec: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON with more of the experiment's spec."),
    ] = None,
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
    more = {} if spec is None else json.loads(spec.read_text(encoding="utf-8"))
    plan = DemoPlan(preset, data, parse_sizes(train_sizes), test_size, shots, seed, more)
    with _server(url, key, data_dir) as client:
        job = submit_experiment(client, plan)
        print_message(f"submitted {job['id']}")
        ended = wait_for_job(client, job["id"], resume="tunecurve up, then tunecurve watch")
        require_success(ended)
        experiment = client.get("experiments", ended["outputs"]["experiment"])
        report = download_results(client, experiment["id"], folder=out)
    if json_file is not None:
        write_summary(json_file, summarise(experiment, report=report))
    print(describe_experiment(experiment))
    print(f"Report: {report}")


@contextlib.contextmanager
def _server(url: str | None, key: str | None, data_dir: Path | None) -> "Iterator[Client]":
    environment = server_environment()
    if url or (environment.get("TUNECURVE_URL") and data_dir is None):
        with connect(url, key) as client:
            yield client
        return
    from tunecurve.stack.background import running_stack

    folder = data_folder(environment, chosen=data_dir)
    with (
        running_stack(folder, environment, report=print_message) as stack,
        connect(stack.url, key, data_dir=folder) as client,
    ):
        yield client


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return `50,200` as numbers; raises UsageError for anything but distinct sizes above 0."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--train-sizes {text!r}: sizes are whole numbers above 0, like 50,200")
    if len(set(parts)) < len(parts):
        raise UsageError(f"--train-sizes {text!r}: each size may stand only once")
    return tuple(sorted(int(part) for part in parts))


def submit_experiment(client: "Client", plan: DemoPlan) -> Json:
    """Upload the data where there is a file, submit the experiment and return its job."""
    source: Json = {"type": "synthetic", "rows": _SYNTHETIC_ROWS, "seed": plan.seed}
    if plan.data is not None:
        source = {"type": "file", "file_id": client.upload(plan.data)["id"]}
    prepare = {
        "preset": plan.preset,
        "source": source,
        "train_sizes": list(plan.train_sizes),
        "test_size": plan.test_size,
        "seed": plan.seed,
    }
    spec = {"prepare": prepare, "shots": plan.shots, "seed": plan.seed, **plan.more}
    return client.submit("experiment", spec)


def download_results(client: "Client", experiment: str, *, folder: Path) -> Path:
    """Download the report and the curve into the folder and return the report's path."""
    for content_format, name in _FILES.items():
        client.content("experiments", experiment, content_format=content_format, to=folder / name)
    return folder / _FILES["html"]


def summarise(experiment: Json, *, report: Path) -> Json:
    """Return the experiment as `--json` writes it."""
    return {
        "experiment": experiment["id"],
        "synthetic": experiment["synthetic"],
        "answer": experiment["answer"],
        "report": str(report),
        "variants": [
            {field: variant[field] for field in _VARIANT_FIELDS}
            for variant in experiment["variants"]
        ],
    }


def write_summary(file: Path, summary: Json) -> None:
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    with written_whole(file) as target:
        target.write(text.encode() + b"\n")
