"""`tunecurve bundle` and `verify`: an experiment in one file that can be recomputed anywhere."""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.commands.jobs import collection_of
from tunecurve.commands.options import KeyOption, UrlOption, connect
from tunecurve.errors import ExitCode, UsageError
from tunecurve.whole_files import written_whole

if TYPE_CHECKING:
    from tunecurve.client import Client

_DIGEST_LENGTH = 64


def bundle(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT")],
    *,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to save it; default: ID.zip here.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Save an experiment with all rows behind it in one file, to be verified anywhere.

    It holds the texts of the test rows and of the answers.
    """
    if collection_of(experiment) != "experiments":
        raise UsageError(f"{experiment} is no experiment (exp_…)")
    file = out or Path(f"{experiment}.zip")
    with connect(url, key) as client, tempfile.TemporaryDirectory() as folder:
        write_bundle(_collected(client, experiment, Path(folder)), file)
    print(file)


def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
) -> None:
    """Recompute every number of a bundle from its rows; needs no server and no network.

    Exits with 1 where a number does not follow, and with 4 where the bundle was made with another
    version of the statistics.
    """
    from tunecurve.stack.services import require_server

    require_server()
    command = [sys.executable, "-P", "-m", "service.experiments.verification", str(file)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        is_other = done.returncode == ExitCode.CONFLICT
        raise typer.Exit(ExitCode.CONFLICT if is_other else ExitCode.JOB_FAILED)


def _collected(client: "Client", experiment: str, folder: Path) -> list[Path]:
    """Download all that the numbers of an experiment come from, and return the files."""
    found = client.get("experiments", experiment)
    job = client.get("jobs", found["job"])
    files = [_put(folder / "experiment.json", found), _put(folder / "job.json", job["spec"])]
    if found["dataset"]:
        files.append(_put(folder / "dataset.json", client.get("datasets", found["dataset"])))
    for variant in found["variants"]:
        if variant["score"] is None:
            continue
        name = variant["evaluation"]
        files.append(_put(folder / f"{name}.json", client.get("evaluations", name)))
        rows = list(client.list(f"evaluations/{name}/rows"))
        files.append(_put(folder / f"{name}.rows.json", rows))
    files.append(client.report("experiments", experiment, to=folder / "report.html"))
    return files


def _put(file: Path, data: Any) -> Path:
    file.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    return file


def write_bundle(files: list[Path], to: Path) -> None:
    """Write a zip file whose comment is the SHA-256 of all bytes before it, whole or not at all."""
    with written_whole(to) as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.name)
            archive.comment = b"0" * _DIGEST_LENGTH
        target.seek(0)
        body = target.read()[:-_DIGEST_LENGTH]
        target.seek(len(body))
        target.write(hashlib.sha256(body).hexdigest().encode())
