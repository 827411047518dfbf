"""Models and endpoints that tunings have left on Vertex AI: deleting them."""

from collections.abc import Callable
from functools import partial
from itertools import chain, islice
from typing import Any

from service.errors import NotFound
from service.inference.batches.aiplatform import v1
from service.inference.batches.vertex_calls import (
    CALL_SECONDS,
    call_vertex,
    delete_vertex,
    whole_list,
)
from service.tuning.ports import MadeResource
from service.tuning.providers.vertex_answers import PROJECT_LABEL, RUN_LABEL

_MISSING = "tuned_model_not_found"
_SOME = 2  # versions: whether there is another than the one that is deleted

OpenClient = Callable[[Any], Any]  # takes the class of a client


def delete_tuned(resource_name: str, *, open_client: OpenClient) -> None:
    """Delete an endpoint with what is deployed on it, or one version of a model.

    Vertex AI deletes a model only when no endpoint serves it. What is gone already is fine.
    """
    if "/endpoints/" in resource_name:
        _delete_endpoint(resource_name, open_client(v1.EndpointServiceClient))
    else:
        _delete_model(resource_name, open_client(v1.ModelServiceClient))


def made_resources(parent: str, *, open_client: OpenClient) -> list[MadeResource]:
    """Return the endpoints, then the models of a location that carry the label of a tuning run.

    Google gives a tuning's labels to what it makes.
    """
    lists = (
        (open_client(v1.EndpointServiceClient).list_endpoints, "endpoints"),
        (open_client(v1.ModelServiceClient).list_models, "models"),
    )
    request = {"parent": parent, "filter": f"labels.{RUN_LABEL}:*"}
    found = (
        call_vertex(
            lambda ask=ask, items=items: list(  # type: ignore[misc]
                whole_list(ask(request=request, timeout=CALL_SECONDS, retry=None), items)
            ),
            missing=_MISSING,
        )
        for ask, items in lists
    )
    return [
        MadeResource(
            name=str(each.name),
            run_id=each.labels[RUN_LABEL],
            project_id=each.labels.get(PROJECT_LABEL, ""),
        )
        for each in chain.from_iterable(found)
        if each.labels.get(RUN_LABEL)  # a server may ignore the filter
    ]


def _delete_endpoint(name: str, client: Any) -> None:
    endpoint = _found(lambda: client.get_endpoint(name=name, timeout=CALL_SECONDS, retry=None))
    if endpoint is None:
        return
    for deployed in endpoint.deployed_models:
        undeploy = partial(
            client.undeploy_model,
            endpoint=name,
            deployed_model_id=deployed.id,
            traffic_split={},
            timeout=CALL_SECONDS,
            retry=None,
        )
        call_vertex(partial(_finished, undeploy), missing=_MISSING)
    delete_vertex(client.delete_endpoint, name, missing=_MISSING)


def _finished(start: Callable[[], Any]) -> Any:
    """Wait for the long-running operation that `start` starts."""
    return start().result(timeout=CALL_SECONDS)


def _delete_model(name: str, client: Any) -> None:
    """Delete a version; the only one goes with its model."""
    bare = name.partition("@")[0]
    versions = _found(
        lambda: list(
            islice(client.list_model_versions(name=bare, timeout=CALL_SECONDS, retry=None), _SOME)
        )
    )
    if not versions:
        return
    if len(versions) > 1 and "@" in name:
        delete_vertex(client.delete_model_version, name, missing=_MISSING)
    else:
        delete_vertex(client.delete_model, bare, missing=_MISSING)


def _found(ask: Callable[[], Any]) -> Any:
    try:
        return call_vertex(ask, missing=_MISSING)
    except NotFound:
        return None
