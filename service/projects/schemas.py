"""What crosses HTTP about keys, and who a caller is."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.errors import Forbidden
from service.projects.service_accounts import ServiceAccount

DEFAULT_PROJECT = "default"


class Scope(StrEnum):
    """What a key may do; none includes another, so a key gets exactly what it is given."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_MONEY = r"^(0|[1-9]\d{0,8})(\.\d{1,9})?$"


class ProjectLimits(BaseModel):
    """What bounds a project beside what bounds all; null: nothing more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open_jobs: int | None = Field(default=None, ge=0, le=10**9, description="unfinished jobs")
    source_rows: int | None = Field(default=None, ge=1, le=10**12, description="rows of a source")
    dollars_per_month: str | None = Field(
        default=None,
        pattern=_MONEY,
        description="paid in a UTC month; every job that pays then needs a budget",
    )
    requests_per_minute: float | None = Field(
        default=None, gt=0, le=10**6, description="to this API, by all of its keys together"
    )


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request: a key, and the project it opens.

    `administers`: the project is the installation's first one, whose admin keys administer all.
    """

    project_id: str
    key_id: str
    scopes: frozenset[Scope]
    administers: bool = False
    limits: ProjectLimits = field(default_factory=ProjectLimits)

    def require_administrator(self) -> None:
        """Raise Forbidden `administrator_required` for keys of other projects."""
        if not self.administers:
            message = f"only keys of the project {DEFAULT_PROJECT!r} administer projects"
            raise Forbidden(message, code="administrator_required")

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
        description="text of one line, to distinguish keys",
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
    prefix: str = Field(description="how the secret begins, to distinguish keys")
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


ProjectName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["support"])]
Pattern = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\s*]+(/\*)?$|^\*$")]
Patterns = Annotated[list[Pattern], Field(max_length=100)]
_PROJECT_EXAMPLE: dict[str, Any] = {
    "object": "project",
    "id": "proj_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "name": "support",
    "buckets": ["support-data", "shared/reviews/*"],
    "hub_datasets": ["ai4privacy/*"],
    "tunings": [],
    "tuning_service_accounts": ["tuner@support-lab.iam.gserviceaccount.com"],
    "kms_keys": ["projects/support-lab/locations/us-central1/keyRings/tunings/*"],
    "service_account": "support-tunings@support-lab.iam.gserviceaccount.com",
    "limits": {
        "open_jobs": 50,
        "source_rows": 1000000,
        "dollars_per_month": "200",
        "requests_per_minute": 600,
    },
    "state": "open",
    "created_at": "2026-11-21T08:00:00Z",
}


class ProjectCreate(BaseModel):
    """A project to make. It may read and use nothing of others but what is listed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "support", "buckets": ["support-data"]}]},
    )

    name: ProjectName = Field(description="unique in the installation")
    buckets: Patterns = Field(default=[], description="buckets, or `bucket/folder/*`; `*`: all")
    hub_datasets: Patterns = Field(default=[], description="`owner/name` or `owner/*`; `*`: all")
    tunings: Patterns = Field(
        default=[], description="resource names of others' tunings that `poll` may attach to"
    )
    tuning_service_accounts: Patterns = Field(
        default=[], description="service accounts that its tunings may name; `*`: all"
    )
    kms_keys: Patterns = Field(
        default=[],
        description="keys (CMEK) that its tunings may name, or `projects/…/keyRings/RING/*`; "
        "`*`: all",
    )
    service_account: ServiceAccount | None = Field(
        default=None,
        description="as which its jobs call Google; null: as the installation itself",
    )
    limits: ProjectLimits = Field(default=ProjectLimits(), description="null members: no limit")


class ProjectUpdate(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"buckets": ["support-data"]}]}
    )

    buckets: Patterns | None = Field(default=None, description="in place of those there are")
    hub_datasets: Patterns | None = Field(default=None, description="in place of those there are")
    tunings: Patterns | None = Field(default=None, description="in place of those there are")
    tuning_service_accounts: Patterns | None = Field(
        default=None, description="in place of those there are"
    )
    kms_keys: Patterns | None = Field(default=None, description="in place of those there are")
    service_account: ServiceAccount | None = Field(
        default=None,
        description="null, where it is given: its jobs call Google as the installation itself",
    )
    limits: ProjectLimits | None = Field(default=None, description="in place of those there are")


class ProjectView(BaseModel):
    """A project, what of others it may use, and its limits."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PROJECT_EXAMPLE]})

    object: Literal["project"] = "project"
    id: str = Field(description="of the project")
    name: str = Field(description="unique in the installation")
    buckets: list[str] = Field(description="buckets, or folders in them, that it may read")
    hub_datasets: list[str] = Field(description="datasets of the hub that it may read")
    tunings: list[str] = Field(description="others' tunings that it may attach to")
    tuning_service_accounts: list[str] = Field(
        description="service accounts that its tunings may name"
    )
    kms_keys: list[str] = Field(description="keys (CMEK) that its tunings may name")
    service_account: str | None = Field(
        description="as which its jobs call Google; null: as the installation itself"
    )
    limits: ProjectLimits = Field(description="null members: no limit")
    state: Literal["open", "erasing"] = Field(description="keys of one being erased open nothing")
    created_at: AwareDatetime = Field(description="when it was made")


class AuditEntryView(BaseModel):
    """Who did what, when and from where."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "object": "audit_entry",
                    "id": "aud_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "project_id": "proj_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "key_id": "key_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "address": "10.0.0.7",
                    "action": "deleteDataset",
                    "target": "ds_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "created_at": "2026-11-21T08:00:00Z",
                }
            ]
        },
    )

    object: Literal["audit_entry"] = "audit_entry"
    id: str = Field(description="of this entry")
    project_id: str | None = Field(description="of the key; null where none was accepted")
    key_id: str | None = Field(description="that was used; null where none was accepted")
    address: str | None = Field(description="where the request came from")
    action: str = Field(description="operation of this API, `keyFirstUsed` or `authenticate`")
    target: str = Field(description="ids that it was about")
    created_at: AwareDatetime = Field(description="when it was done")
