"""Calls of the client for administrators: projects, and where a text stands."""

from collections.abc import Iterator, Sequence
from typing import Any

from tunecurve.transport import Transport

Json = dict[str, Any]


class AdministratorCalls:
    """A part of `tunecurve.client.Client`."""

    _transport: Transport

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
