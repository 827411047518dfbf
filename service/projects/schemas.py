"""What crosses HTTP about keys, and who a caller is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.errors import Forbidden


class Scope(StrEnum):
    """What a key may do; none includes another, so a key gets exactly what it is given."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request: a key, and the project it opens."""

    project_id: str
    key_id: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Raise Forbidden `insufficient_scope` when the key lacks the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"this needs a key with the scope {scope}; create one with it")


KeyName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="text of one line, to tell keys apart",
        examples=["nightly run"],
    ),
]

_KEY_EXAMPLE: dict[str, Any] = {
    "object": "key",
    "id": "key_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "name": "nightly pipeline",
    "prefix": "tunecurve_k3v9q2m7xa",
    "scopes": ["read", "write"],
    "created_at": "2026-11-21T08:00:00Z",
    "expires_at": "2027-11-21T08:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


class KeyCreate(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "nightly pipeline", "scopes": ["read", "write"]}]},
    )

    name: KeyName
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: AwareDatetime | None = Field(default=None, description="null: never")


class Key(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_KEY_EXAMPLE]})

    object: Literal["key"] = "key"
    id: str
    name: str
    prefix: str = Field(description="how the secret begins, to tell keys apart")
    scopes: list[Scope]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="to the minute")
    revoked_at: AwareDatetime | None


class KeyWithSecret(Key):
    """A new key. The secret is shown this once: only its SHA-256 is kept."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [_KEY_EXAMPLE | {"secret": "tunecurve_k3v9q2m7xa_…"}]},
    )

    secret: str = Field(repr=False, description="send it as `Authorization: Bearer …`")


class Me(BaseModel):
    """What the caller's key opens, and the limits that hold for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "object": "me",
                    "project": "proj_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "key": "key_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "scopes": ["read", "write"],
                    "limits": {"open_jobs": 1000},
                    "version": "0.1.0",
                }
            ]
        },
    )

    object: Literal["me"] = "me"
    project: str
    key: str
    scopes: list[Scope]
    limits: dict[str, int] = Field(description="limit to value, such as `open_jobs`")
    version: str = Field(description="of this server")
