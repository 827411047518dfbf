"""Google service accounts: their names, and what crosses HTTP about a project's."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# `name@project.iam.gserviceaccount.com`; projects of old Google Workspace domains have dots.
_ID = "[a-z][a-z0-9-]{4,28}[a-z0-9]"
_HOST = ".iam.gserviceaccount.com"
_PATTERN = rf"^{_ID}@{_ID}(\.[a-z0-9-]+)*\.iam\.gserviceaccount\.com$"

ServiceAccount = Annotated[
    str,
    Field(
        max_length=200,
        pattern=_PATTERN,
        examples=["support-tunings@support-lab.iam.gserviceaccount.com"],
    ),
]
IdentityState = Literal["ok", "refused", "unanswered", "not_set"]


class GoogleIdentity(BaseModel):
    """As whom a project's jobs call Google, and whether Google allows it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "object": "google_identity",
                    "service_account": "support-tunings@support-lab.iam.gserviceaccount.com",
                    "cloud_project": "support-lab",
                    "state": "ok",
                    "detail": "Google gives tokens of it",
                }
            ]
        },
    )

    object: Literal["google_identity"] = "google_identity"
    service_account: str | None = Field(
        default=None, description="that is impersonated; null: the installation itself"
    )
    cloud_project: str = Field(description="Google Cloud project that is called and pays")
    state: IdentityState = Field(description="what Google said just now")
    detail: str = Field(description="what is missing, and where to give it")


def cloud_project_of(account: str) -> str:
    """Return the Google Cloud project that a service account belongs to."""
    home = account.partition("@")[2].removesuffix(_HOST)
    name, _, domain = home.partition(".")
    return f"{domain}:{name}" if domain else name
