"""Reading a tuning's curves: metadata contexts first, then the TensorBoard they name."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError
from emulator.experiments import resources
from emulator.experiments.resources import points_of, series_of
from emulator.filters import Fields, read_filter
from emulator.pages import page_of
from emulator.resources import last_segment, parent_of, with_project_number
from emulator.tuning.records import Tuning
from emulator.tuning.store import TuningStore

_CONTEXT_FIELDS: Fields = {
    "schema_title": lambda context: context["schemaTitle"],
    "display_name": lambda context: context["displayName"],
    "parent_contexts": lambda context: context.get("parentContexts", []),
}
_SERIES_FIELDS: Fields = {"display_name": lambda series: series["displayName"]}


class ExperimentRoutes:
    def __init__(self, tunings: TuningStore) -> None:
        self._tunings = tunings

    def routes(self, version: str) -> list[Route]:
        home = f"/{version}/projects/{{project}}/locations/{{location}}"
        contexts = f"{home}/metadataStores/default/contexts"
        board = f"{home}/tensorboards/{{tensorboard}}"
        experiment = f"{board}/experiments/{{experiment}}"
        run = f"{experiment}/runs/{{run}}"
        series = f"{run}/timeSeries/{{series}}"
        shown = {
            contexts: self.list_contexts,
            f"{contexts}/{{context}}": self.get_context,
            f"{board}:batchRead": self.read_many_series,
            board: self._shown(resources.describe_tensorboard),
            experiment: self._shown(resources.describe_tensorboard_experiment),
            f"{experiment}/runs": self._listed(
                "tensorboardRuns", resources.describe_tensorboard_run
            ),
            run: self._shown(resources.describe_tensorboard_run),
            f"{run}/timeSeries": self.list_series,
            f"{series}:read": self.read_series,
            series: self.get_series,
        }
        return [Route(path, handler, methods=["GET"]) for path, handler in shown.items()]

    async def get_context(self, request: Request) -> Response:
        context_id = request.path_params["context"]
        found = [
            context
            for context in self._contexts(request)
            if last_segment(context["name"]) == context_id
        ]
        if not found:
            raise _missing(request)
        return JSONResponse(found[0])

    async def list_contexts(self, request: Request) -> Response:
        query = request.query_params
        matches = read_filter(query.get("filter", ""), fields=_CONTEXT_FIELDS)
        found = [context for context in self._contexts(request) if matches(context)]
        places = {context["name"]: place for place, context in enumerate(found)}
        page = page_of(found, query, place=lambda context: places[context["name"]])
        return JSONResponse(page.describe("contexts", lambda context: context))

    async def list_series(self, request: Request) -> Response:
        tuning, query = self._find(request), request.query_params
        matches = read_filter(query.get("filter", ""), fields=_SERIES_FIELDS)
        known = [resources.describe_series(tuning, each) for each in series_of(tuning.history)]
        found = [series for series in known if matches(series)]
        page = page_of(found, query, place=lambda series: int(last_segment(series["name"])))
        return JSONResponse(page.describe("tensorboardTimeSeries", lambda series: series))

    async def get_series(self, request: Request) -> Response:
        return JSONResponse(
            resources.describe_series(self._find(request), request.path_params["series"])
        )

    async def read_series(self, request: Request) -> Response:
        tuning = self._find(request)
        return JSONResponse({"timeSeriesData": _data(tuning, request.path_params["series"])})

    async def read_many_series(self, request: Request) -> Response:
        """Answer the values of several series, each named in full."""
        tuning, query = self._find(request), request.query_params
        names = [*query.getlist("timeSeries"), *query.getlist("time_series")]
        known = {resources.series_name(tuning, each): each for each in series_of(tuning.history)}
        ids = [known.get(with_project_number(name)) for name in names]
        if not ids:
            raise GoogleError(400, "List of time_series is required.")
        if None in ids:
            raise GoogleError(404, "A TensorboardTimeSeries was not found in this Tensorboard.")
        return JSONResponse({"timeSeriesData": [_data(tuning, each) for each in ids if each]})

    def _shown(self, describe: Callable[[Tuning], dict[str, Any]]) -> Callable[[Request], Any]:
        async def show(request: Request) -> Response:
            return JSONResponse(describe(self._find(request)))

        return show

    def _listed(
        self, name: str, describe: Callable[[Tuning], dict[str, Any]]
    ) -> Callable[[Request], Any]:
        async def show(request: Request) -> Response:
            return JSONResponse({name: [describe(self._find(request))]})

        return show

    def _contexts(self, request: Request) -> list[dict[str, Any]]:
        """Return the contexts of a place: of each tuning that began, its experiment and its run."""
        parent = parent_of(request.path_params)
        return [
            describe(tuning)
            for tuning in self._tunings.all()
            if tuning.started and tuning.parent == parent
            for describe in (resources.describe_experiment, resources.describe_experiment_run)
        ]

    def _find(self, request: Request) -> Tuning:
        """Return the tuning whose TensorBoard a path leads into, every step of the path checked."""
        path = request.path_params
        tuning = self._tunings.get(path["tensorboard"])
        if tuning is None or not tuning.started or tuning.parent != parent_of(path):
            raise _missing(request)
        experiment = resources.experiment_id(tuning)
        if path.get("experiment", experiment) != experiment:
            raise _missing(request)
        if path.get("run", resources.RUN) != resources.RUN:
            raise _missing(request)
        if path.get("series", "1") not in {"1", *series_of(tuning.history)}:
            raise _missing(request)
        return tuning


def _missing(request: Request) -> GoogleError:
    return GoogleError(404, f"{request.url.path.split('/', 2)[2]} was not found.")


def _data(tuning: Tuning, series_id: str) -> dict[str, Any]:
    started = tuning.started or tuning.created
    points = points_of(tuning.history, series_id, started=started)
    return {
        "tensorboardTimeSeriesId": series_id,
        "valueType": "SCALAR",
        "values": [point.resource() for point in points],
    }
