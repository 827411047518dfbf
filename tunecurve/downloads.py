"""Calls of the client that bring files: outputs, reports with plots and tables, curves."""

from pathlib import Path
from typing import Any

from tunecurve.transport import Transport

Json = dict[str, Any]


class Downloads:
    """A part of `tunecurve.client.Client`."""

    _transport: Transport

    def content(self, collection: str, identifier: str, *, content_format: str, to: Path) -> Path:
        """Download an output into the file `to`, which appears only when it is complete."""
        self._transport.download(
            f"/v1/{collection}/{identifier}/content", params={"format": content_format}, to=to
        )
        return to

    def report(self, collection: str, identifier: str, *, to: Path, reveal: bool = False) -> Path:
        """Download the page of an experiment or a dataset into the file `to`.

        `reveal` leaves the texts of an experiment's test rows unmasked.
        """
        page = "content" if collection == "experiments" else "report"
        path = f"/v1/{collection}/{identifier}/{page}"
        params = {"format": "html"} | ({"reveal": "true"} if reveal else {})
        self._transport.download(path, params=params, to=to)
        return to

    def curves(self, model: str) -> Json:
        """Return the training curves of a model: series by name, each a list of step and value."""
        return self._transport.json("GET", f"/v1/models/{model}/curves")

    def save_curves(self, model: str, *, to: Path) -> Path:
        """Download the training curves of a model as CSV (series, step, value) into the file."""
        path = f"/v1/models/{model}/curves"
        self._transport.download(path, params={"format": "csv"}, to=to)
        return to

    def report_files(self, experiment: str, *, to: Path) -> list[Path]:
        """Download every plot (SVG and PNG) and table (CSV) of a report into folders of `to`."""
        names = self._transport.json("GET", f"/v1/experiments/{experiment}")["files"]
        for name in names:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            self._transport.download(f"/v1/experiments/{experiment}/{name}", to=to / name)
        return [to / name for name in names]
