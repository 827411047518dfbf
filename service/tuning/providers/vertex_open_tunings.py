"""How many tunings are open at Vertex AI, over REST: cheap to import, unlike Google's client."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from service.catalogue.locations import endpoint_of
from service.inference.batches.vertex_calls import ENDED, call_vertex, require_project
from service.tuning.providers.vertex_rest import get_json, open_rest_session, tuning_pages

_MOST_PAGES = 5  # open ones are among the newest, which are listed first


class VertexOpenTunings:
    """The list of a project's tunings at one location; all count, not only ours."""

    def __init__(self, *, project: str, location: str, endpoint: str, account: str = "") -> None:
        """Raises Invalid `project_not_set`; `endpoint` is an emulator's, or empty for Google."""
        require_project(project, pays_for="tunings")
        host = endpoint_of(location, emulator=endpoint)
        self._url = f"{host}/v1/projects/{project}/locations/{location}/tuningJobs"
        self._endpoint, self._account = endpoint, account

    def count(self, *, most: int | None) -> int:
        count = 0
        for state in self._states(pages=1 if most is None else _MOST_PAGES):
            count += state not in ENDED
            if most is not None and count >= most:
                break
        return count

    def _states(self, *, pages: int) -> Iterator[str]:
        session = call_vertex(
            lambda: open_rest_session(endpoint=self._endpoint, account=self._account), missing=""
        )

        def read_page(params: Mapping[str, str | int]) -> Mapping[str, Any]:
            page: Mapping[str, Any] = call_vertex(
                lambda: get_json(session, self._url, params=params), missing="tunings_not_found"
            )
            return page

        for page in islice(tuning_pages(read_page), pages):
            yield from (str(job.get("state")) for job in page)
