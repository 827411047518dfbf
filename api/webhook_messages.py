"""The messages that endpoints receive, for the contract. Nothing here is ever called."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.webhooks.events import EventType


class WebhookMessage(BaseModel):
    """One event, as an endpoint receives it: ids and states, never rows or prompts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "job.succeeded",
                    "timestamp": "2026-11-21T08:00:00Z",
                    "id": "evt_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "seq": 812,
                    "job": "job_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "data": {"kind": "prepare", "state": "succeeded", "version": 4},
                }
            ]
        }
    )

    type: EventType = Field(description="what happened")
    timestamp: datetime = Field(description="when it happened")
    id: str = Field(description="id of the event: the same message keeps it")
    seq: int = Field(description="number of the event in its project")
    job: str | None = Field(description="id of the job; null where it is about none")
    data: dict[str, Any] = Field(
        description="of the job; `truncated` is true where the rest was too long"
    )


_HEADERS = {
    "webhook-id": "the same for every try at this message",
    "webhook-timestamp": "when it was sent, in seconds since 1970",
    "webhook-signature": "signatures of id, timestamp and body, by Standard Webhooks",
}
router = APIRouter()


@router.post(
    "event",
    operation_id="receiveEvent",
    summary="An event of a type that the endpoint asks for",
    tags=["webhooks"],
    status_code=204,
    responses={
        204: {"description": "Any status from 200 to 299 accepts it"},
        "default": {"description": "Any other has it sent again"},
    },
    openapi_extra={
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": meaning,
                "schema": {"type": "string"},
            }
            for name, meaning in _HEADERS.items()
        ]
    },
)
def receive_event(message: WebhookMessage) -> None:
    """Signed with the endpoint's secret. Other answers have it sent again over three days."""
