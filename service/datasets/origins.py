"""Where a dataset comes from, in the words of its page. Read-only."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.database import Sessions
from service.datasets.models import Dataset
from service.datasets.queries import get_dataset
from service.datasets.report.page import Origin
from service.errors import NotFound
from service.files.operations import require_file
from service.jobs.queries import spec_of


def dataset_origin(dataset_id: str, *, project_id: str, sessions: Sessions) -> Origin:
    """Return the origin of a dataset; raises NotFound. Its file may have been deleted since."""
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    with sessions.reading() as session:
        spec = spec_of(session, row.job_id)
        source = spec.get("source", {})
        try:
            file = require_file(session, source.get("file_id", ""), project_id=project_id).name
        except NotFound:
            file = ""
    return Origin(
        name=file or _source_name(source) or row.id,
        facts=list(_facts(row, spec)),
        splits=[
            (name, each["rows"], each["groups"])
            for name, each in row.splits.items()
            if each["rows"]
        ],
        synthetic=source.get("type") == "synthetic",
    )


def _source_name(source: Mapping[str, Any]) -> str:
    match source:
        case {"type": "gs", "uri": str(uri)}:
            return uri.rpartition("/")[2]
        case {"type": "hub", "repo": str(repo)}:
            return repo
        case {"type": "synthetic", "rows": int(rows)}:
            return f"of {rows:,} made-up rows"
        case _:
            return ""


def _facts(row: Dataset, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Dataset", row.id
    yield "Preset", row.preset
    if row.ready_at:
        yield "Prepared", f"{row.ready_at:%Y-%m-%d %H:%M} UTC"
    if row.training_files:
        sizes = ", ".join(f"{size:,}" for size in sorted(map(int, row.training_files)))
        yield "Train sizes", f"{sizes} (each holds the rows of the smaller ones)"
    if "seed" in spec:
        yield "Seed of the split", str(spec["seed"])
    if row.instruction:
        yield "Instruction", row.instruction
