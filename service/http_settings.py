"""Settings of what the API takes from a client, and where webhooks go."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

_OVER_ALL = (
    "over all API processes (each counts for itself while Redis is away; what a process that has "
    "died held counts for 10 seconds more)"
)


class HttpSettings(BaseSettings):
    """A part of `service.settings.Settings`."""

    open_jobs_limit: int = Field(default=1000, ge=1, description="unfinished jobs of one project")
    upload_bytes_limit: int = Field(default=1 << 30, ge=1, description="size of an uploaded file")
    body_bytes_limit: int = Field(default=1 << 20, ge=1, description="size of any other request")
    body_idle_seconds: float = Field(
        default=60, gt=0, description="a request of whose body nothing arrives for so long is ended"
    )
    body_bytes_per_second: float = Field(
        default=1024,
        ge=0,
        description=(
            "a body that still comes more slowly than this after `TUNECURVE_BODY_IDLE_SECONDS` is "
            "ended; `0`: never"
        ),
    )
    connections_limit: int = Field(
        default=1000,
        ge=10,
        description=(
            "connections of one API process; one more drops the one that has waited longest "
            "without a request"
        ),
    )
    head_seconds: float = Field(
        default=10, gt=0, description="a request's line and headers must come in this time"
    )
    requests_per_second: float = Field(
        default=100,
        ge=0,
        description=(
            "requests of one key, and of one address without a known key, over all API "
            "processes (each counts for itself while Redis is away); those of 2 seconds may come "
            "at once; `0`: no limit"
        ),
    )
    uploads_per_key: int = Field(
        default=8,
        ge=1,
        description=f"uploads that a key may have under way {_OVER_ALL}",
    )
    streams_per_key: int = Field(
        default=20, ge=1, description=f"event streams that a key may have open {_OVER_ALL}"
    )
    generations_per_key: int = Field(
        default=8, ge=1, description=f"single calls of models that a key may have open {_OVER_ALL}"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "::1"),
        description=(
            "addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
            "believed"
        ),
    )

    webhook_allow_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description=(
            "private networks that webhooks may reach, such as `10.0.0.0/8`, or one port of an "
            "address, such as `127.0.0.1:9000`"
        ),
    )
    webhook_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(443,), description="ports that webhooks may use; allowed networks may use any"
    )

    @field_validator("trusted_proxies", "webhook_allow_networks", "webhook_ports", mode="before")
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return split_commas(value)


def split_commas(value: object) -> object:
    """Return the parts of a text, or what is no text as it is."""
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


_GOOGLE = ".googleapis.com"
_INNER_NAMES = (".internal", ".local", ".localhost", ".svc")


def require_private_or_google(url: str) -> str:
    """Return an address of Vertex AI or its emulator; raises ValueError for another.

    Google's tokens go to `https://` addresses, which must be Google's; rows go in clear text to
    `http://` ones, which must not be on the open Internet.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not url or (parts.scheme == "http" and _is_inner(host)):
        return url
    if parts.scheme == "https" and host.endswith(_GOOGLE):
        return url
    raise ValueError(
        "an emulator is http:// on this machine or a private network, and only addresses below "
        "https://….googleapis.com get Google's tokens; leave it empty for Google"
    )


def _is_inner(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_INNER_NAMES))
