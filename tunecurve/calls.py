"""Calls of the client about models, for files, and for administrators."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tunecurve.errors import ApiError
from tunecurve.transport import Transport

Json = dict[str, Any]

_GENERATE_SECONDS = 150.0  # the server gives up before: 120 s, waits for quota included


class Calls:
    """A part of `tunecurve.client.Client`."""

    _transport: Transport

    # ------------------------------------------------------------ models

    def generate(self, model: str, text: str, **settings: Any) -> Json:
        """Put one text to a model, the id of a tuned one or the name of a base model.

        `settings` are those of the API, such as `system` or `max_output_tokens`. Each call is
        paid for, so none is sent twice.
        """
        return self._transport.json(
            "POST",
            f"/v1/models/{model}/generate",
            body={"text": text, **settings},
            replayable=False,
            timeout_seconds=_GENERATE_SECONDS,
        )

    def model(self, model: str) -> Json:
        """Return a model with its lineage, aliases and retirement; takes an alias, too."""
        return self._transport.json("GET", f"/v1/models/{model}")

    def set_alias(self, name: str, model: str, *, force: bool = False) -> Json:
        """Have an alias such as `pii@best` stand for a model.

        Without `force` it moves only to a model that is not shown to be worse.
        """
        body = {"model": model, "force": force}
        return self._transport.json("PUT", f"/v1/aliases/{name}", body=body)

    def generate_stream(self, model: str, text: str, **settings: Any) -> Iterator[Json]:
        """Yield `{"text": piece}` while the answer comes, then the object that `generate` returns.

        Raises ApiError, also after pieces: the answer then broke off.
        """
        events = self._transport.events(
            "POST",
            f"/v1/models/{model}/generate",
            body={"text": text, **settings, "stream": True},
            timeout_seconds=_GENERATE_SECONDS,
        )
        for name, data in events:
            if name == "error":
                raise ApiError.of(data)
            yield data

    # ------------------------------------------------------------ files

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

    # ------------------------------------------------------------ administrators

    def find_subject(self, text: str) -> Iterator[Json]:
        """Yield what each part of a search for a text has found; needs an administrator's key."""
        after: str | None = None
        while True:
            body = {"text": text, "after": after}
            part = self._transport.json("POST", "/v1/subjects/search", body=body)
            yield part
            after = part["next"]
            if after is None:
                return

    def create_project(self, name: str, **wanted: Any) -> Json:
        """Make a project; `wanted` are `buckets`, `hub_datasets`, `tunings`, `limits` and such."""
        body = {"name": name, **wanted}
        return self._transport.json("POST", "/v1/projects", body=body, replayable=False)

    def create_project_key(self, identifier: str, name: str, scopes: Sequence[str]) -> Json:
        """Make a key of a project and return it with its secret, which is shown only this once."""
        path = f"/v1/projects/{identifier}/keys"
        body = {"name": name, "scopes": [*scopes]}
        return self._transport.json("POST", path, body=body, replayable=False)

    def update_project(self, identifier: str, **changes: Any) -> Json:
        """Change what a project may read, its limits, or its `service_account`, each as a whole."""
        return self._transport.json("PATCH", f"/v1/projects/{identifier}", body=changes)

    def google_identity(self, identifier: str) -> Json:
        """Return as whom a project's jobs call Google, and whether Google allows it now."""
        return self._transport.json("GET", f"/v1/projects/{identifier}/google-identity")

    def erase_project(self, identifier: str, *, dry_run: bool = False) -> Json:
        """Erase a project with all that it holds, or only say what would go."""
        return self._transport.json(
            "DELETE",
            f"/v1/projects/{identifier}",
            params={"dry_run": "true"} if dry_run else None,
        )
