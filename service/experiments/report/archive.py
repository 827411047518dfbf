"""What is read back of a stored report: its table of points, and the files of its archive."""

import io
import zipfile

from service.errors import NotFound
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema

TABLE = TableSchema(
    columns={
        "experiment_id": "string",
        "metric": "string",
        "synthetic": "bool",
        "name": "string",
        "kind": "string",
        "train_size": "int64",
        "value": "float64",
        "low": "float64",
        "high": "float64",
        "coverage": "float64",
        "n": "int64",
        "worst": "float64",
        "best": "float64",
        "groups": "int64",
        "configuration": "string",
        "epochs": "int64",
        "stopped_after": "int64",
        "replicate": "int64",
    }
)
LABEL_ERRORS = "label_errors.json"
REVEALED = "revealed.html"  # the page with the texts of rows as they are


def read_archived(key: str | None, name: str, *, store: ObjectStore) -> bytes:
    """Return a file of a stored archive; raises NotFound `report_file_not_found`, Unavailable."""
    message = f"the report has no file {name}"
    if key is None:
        raise NotFound(
            f"{message}: it was made by an earlier version", code="report_file_not_found"
        )
    with store.open(key) as stream, zipfile.ZipFile(io.BytesIO(stream.read())) as archive:
        if name not in archive.namelist():
            raise NotFound(message, code="report_file_not_found")
        return archive.read(name)
