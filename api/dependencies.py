"""Dependencies of routes: the container, the request's id, and list parameters."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from service.container import Container
from service.ids import MODEL_OR_ALIAS_PATTERN, Prefix, id_pattern

PAGE_LIMIT = 100


async def container_of(request: Request) -> Container:
    """Return the container that `create_app` has opened.

    Like all that only looks it is asynchronous: FastAPI runs other dependencies in a thread.
    """
    container: Container = request.app.state.container
    return container


async def request_id_of(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


Services = Annotated[Container, Depends(container_of)]
RequestId = Annotated[str, Depends(request_id_of)]

Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="how many at most")]
_AFTER = "the last id of the page before"

AfterJob = Annotated[str | None, Query(pattern=id_pattern(Prefix.JOB), description=_AFTER)]
AfterFile = Annotated[str | None, Query(pattern=id_pattern(Prefix.FILE), description=_AFTER)]
AfterDataset = Annotated[str | None, Query(pattern=id_pattern(Prefix.DATASET), description=_AFTER)]
AfterModel = Annotated[str | None, Query(pattern=id_pattern(Prefix.MODEL), description=_AFTER)]
AfterEvaluation = Annotated[
    str | None, Query(pattern=id_pattern(Prefix.EVALUATION), description=_AFTER)
]
AfterExperiment = Annotated[
    str | None, Query(pattern=id_pattern(Prefix.EXPERIMENT), description=_AFTER)
]
AfterWebhook = Annotated[str | None, Query(pattern=id_pattern(Prefix.WEBHOOK), description=_AFTER)]
AfterDelivery = Annotated[
    str | None, Query(pattern=id_pattern(Prefix.DELIVERY), description=_AFTER)
]
AfterKey = Annotated[str | None, Query(pattern=id_pattern(Prefix.KEY), description=_AFTER)]

KeepRemote = Annotated[
    bool, Query(description="leave tuned models, endpoints and batches at the provider")
]
AfterErasure = Annotated[str | None, Query(pattern=id_pattern(Prefix.ERASURE), description=_AFTER)]

AfterAuditEntry = Annotated[
    str | None, Query(pattern=id_pattern(Prefix.AUDIT_ENTRY), description=_AFTER)
]
AfterAliasMove = Annotated[
    str | None, Query(pattern=id_pattern(Prefix.ALIAS_MOVE), description=_AFTER)
]
AfterProject = Annotated[str | None, Query(pattern=id_pattern(Prefix.PROJECT), description=_AFTER)]
ProjectId = Annotated[str, Path(pattern=id_pattern(Prefix.PROJECT))]
JobId = Annotated[str, Path(pattern=id_pattern(Prefix.JOB))]
FileId = Annotated[str, Path(pattern=id_pattern(Prefix.FILE))]
DatasetId = Annotated[str, Path(pattern=id_pattern(Prefix.DATASET))]
ModelOrAlias = Annotated[
    str, Path(pattern=MODEL_OR_ALIAS_PATTERN, description="id of the model, or its alias")
]
ModelId = Annotated[str, Path(pattern=id_pattern(Prefix.MODEL))]
EvaluationId = Annotated[str, Path(pattern=id_pattern(Prefix.EVALUATION))]
ExperimentId = Annotated[str, Path(pattern=id_pattern(Prefix.EXPERIMENT))]
WebhookId = Annotated[str, Path(pattern=id_pattern(Prefix.WEBHOOK))]
KeyId = Annotated[str, Path(pattern=id_pattern(Prefix.KEY))]
