"""Webhooks: endpoints, their secrets and their deliveries."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import BeforeValidator

from api.auth import Admin
from api.dependencies import (
    AfterDelivery,
    AfterWebhook,
    Limit,
    Services,
    WebhookId,
)
from api.etags import etag_of, expected_version
from api.job_requests import storable
from api.key_slots import KeySlots
from api.openapi import WITH_BODY, answers, example_of, page_example, problems
from api.pagination import Page, page_of
from service.clock import utc_now
from service.webhooks import deliveries, endpoints
from service.webhooks.schemas import (
    Delivery,
    DeliveryState,
    Redeliver,
    Redelivered,
    RotateSecret,
    Webhook,
    WebhookCreate,
    WebhookUpdate,
    WebhookWithSecret,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_EXAMPLE, _WITH_SECRET = example_of(Webhook), example_of(WebhookWithSecret)
_DELIVERY = example_of(Delivery)
IfMatch = Annotated[
    str | None, Header(description="the ETag of the version to change; required", examples=['"3"'])
]


@router.post(
    "",
    operation_id="createWebhook",
    summary="Add an endpoint; its secret is shown this once",
    status_code=201,
    responses=answers(
        _WITH_SECRET, *WITH_BODY, 409, status=201, description="Added", sends=("ETag", "Location")
    ),
)
def create_webhook(
    wanted: Annotated[WebhookCreate, BeforeValidator(storable)],
    response: Response,
    principal: Admin,
    container: Services,
) -> WebhookWithSecret:
    """Its address must be public and use HTTPS, unless the server allows others."""
    webhook = endpoints.create_webhook(
        wanted,
        project_id=principal.project_id,
        sessions=container.sessions,
        secrets=container.webhook_secrets,
        rules=container.url_rules,
    )
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    response.headers["ETag"] = etag_of(webhook.version)
    return webhook


@router.get(
    "",
    operation_id="listWebhooks",
    summary="List endpoints, newest first",
    responses=answers(page_example(_EXAMPLE)),
)
def list_webhooks(
    request: Request,
    principal: Admin,
    container: Services,
    after: AfterWebhook = None,
    limit: Limit = 20,
) -> Page[Webhook]:
    """Without their secrets."""
    found = endpoints.list_webhooks(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    return page_of(found, limit=limit, cursor=lambda webhook: webhook.id, request=request)


@router.get(
    "/{webhook_id}",
    operation_id="getWebhook",
    summary="Look at an endpoint",
    responses=answers(_EXAMPLE, 404, sends=("ETag",)),
)
def get_webhook(
    webhook_id: WebhookId, response: Response, principal: Admin, container: Services
) -> Webhook:
    """Its `ETag` is what a change must name."""
    webhook = endpoints.get_webhook(
        webhook_id, project_id=principal.project_id, sessions=container.sessions
    )
    response.headers["ETag"] = etag_of(webhook.version)
    return webhook


@router.patch(
    "/{webhook_id}",
    operation_id="updateWebhook",
    summary="Change an endpoint",
    responses=answers(_EXAMPLE, *WITH_BODY, 404, 412, 428, sends=("ETag",)),
)
def update_webhook(
    webhook_id: WebhookId,
    wanted: Annotated[WebhookUpdate, BeforeValidator(storable)],
    response: Response,
    principal: Admin,
    container: Services,
    if_match: IfMatch = None,
) -> Webhook:
    """Send the `ETag` of the version you mean as `If-Match`."""
    current = endpoints.get_webhook(
        webhook_id, project_id=principal.project_id, sessions=container.sessions
    )
    webhook = endpoints.update_webhook(
        webhook_id,
        wanted,
        project_id=principal.project_id,
        expected_version=expected_version(if_match, current=current.version),
        sessions=container.sessions,
        rules=container.url_rules,
    )
    response.headers["ETag"] = etag_of(webhook.version)
    return webhook


@router.delete(
    "/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Delete an endpoint with its deliveries",
    status_code=204,
    responses=problems(404),
)
def delete_webhook(webhook_id: WebhookId, principal: Admin, container: Services) -> None:
    """What has not been delivered yet is not sent."""
    endpoints.delete_webhook(
        webhook_id, project_id=principal.project_id, sessions=container.sessions
    )


@router.post(
    "/{webhook_id}/ping",
    operation_id="pingWebhook",
    summary="Send `webhook.ping` now and say what came of it",
    responses=answers(_DELIVERY, 404),
)
async def ping_webhook(
    webhook_id: WebhookId, principal: Admin, container: Services, request: Request
) -> Delivery:
    """One try, answered with the delivery; a key may have one under way."""
    slots: KeySlots = request.app.state.ping_slots
    send = partial(
        deliveries.ping_webhook,
        webhook_id,
        project_id=principal.project_id,
        sessions=container.sessions,
        sender=container.sender,
        secrets=container.webhook_secrets,
        now=utc_now(),
    )
    async with slots.held(principal.key_id):
        # Threads of their own: an endpoint may hang for 15 s, and other requests need theirs.
        return await asyncio.get_running_loop().run_in_executor(request.app.state.pings, send)


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Give an endpoint a new secret",
    responses=answers(_WITH_SECRET, *WITH_BODY, 404),
)
def rotate_secret(
    webhook_id: WebhookId,
    principal: Admin,
    container: Services,
    wanted: Annotated[RotateSecret, Body()] = RotateSecret(),
) -> WebhookWithSecret:
    """Messages are signed with both secrets for `overlap_seconds`."""
    return endpoints.rotate_secret(
        webhook_id,
        project_id=principal.project_id,
        overlap_seconds=wanted.overlap_seconds,
        sessions=container.sessions,
        secrets=container.webhook_secrets,
    )


@router.post(
    "/{webhook_id}/redeliver",
    operation_id="redeliver",
    summary="Send deliveries again",
    status_code=202,
    responses=answers(
        example_of(Redelivered), *WITH_BODY, 404, 409, status=202, description="They are due"
    ),
)
def redeliver(
    webhook_id: WebhookId, wanted: Redeliver, principal: Admin, container: Services
) -> Redelivered:
    """Deliveries keep the id of their message, so that a receiver knows those it has handled."""
    count = deliveries.redeliver(
        webhook_id,
        wanted,
        project_id=principal.project_id,
        sessions=container.sessions,
        now=utc_now(),
    )
    return Redelivered(count=count)


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listDeliveries",
    summary="List an endpoint's deliveries, newest first",
    responses=answers(page_example(_DELIVERY), 404),
)
def list_deliveries(
    webhook_id: WebhookId,
    request: Request,
    principal: Admin,
    container: Services,
    state: Annotated[DeliveryState | None, Query(description="only in this state")] = None,
    after: AfterDelivery = None,
    limit: Limit = 20,
) -> Page[Delivery]:
    """Each with its last attempts."""
    found = deliveries.list_deliveries(
        webhook_id,
        project_id=principal.project_id,
        state=state,
        after=after,
        limit=limit + 1,
        sessions=container.sessions,
    )
    return page_of(found, limit=limit, cursor=lambda delivery: delivery.id, request=request)
