"""What crosses HTTP about deletions."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class KeptOutput(BaseModel):
    """An output that was not deleted, because something else needs it."""

    id: str = Field(description="of the output")
    reason: str = Field(description="names what needs it")


class RemoteResource(BaseModel):
    """Something at the provider that belonged to a deleted output."""

    resource: str = Field(description="its name at the provider")
    output: str = Field(description="id of the deleted output")
    state: Literal["deleting", "kept"] = Field(
        description="`kept` as `keep_remote` asked, or for another output: it may still cost"
    )
    needed_by: str | None = Field(default=None, description="id of the output that needs it")


class Deletion(BaseModel):
    """What was deleted, what was not and why, and what becomes of the rest at the provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "deletion",
                    "deleted": ["model_01jd5v3q8e7z2m4n6p8r0s2t4v"],
                    "kept": [],
                    "remote": [
                        {
                            "resource": "projects/123/locations/us/endpoints/456",
                            "output": "model_01jd5v3q8e7z2m4n6p8r0s2t4v",
                            "state": "deleting",
                            "needed_by": None,
                        }
                    ],
                }
            ]
        }
    )

    object: Literal["deletion"] = "deletion"
    deleted: list[str] = Field(description="ids of what is gone")
    kept: list[KeptOutput] = Field(default=[], description="what something else needs")
    remote: list[RemoteResource] = Field(default=[], description="what it had at the provider")


class ProjectContents(BaseModel):
    """How many of each kind a project holds."""

    files: int = Field(description="uploaded")
    datasets: int = Field(description="prepared or to be prepared")
    models: int = Field(description="tuned here or attached to")
    evaluations: int = Field(description="with their answers and scores")
    experiments: int = Field(description="with their reports")
    jobs: int = Field(description="with their children")
    open_jobs: int = Field(description="that have not ended, and will be cancelled")
    keys: int = Field(description="revoked ones too")
    webhooks: int = Field(description="with their deliveries")
    cached_answers: int = Field(description="that only this project may see")


class ProjectErasure(BaseModel):
    """What goes with a project, and whether that was asked for or only looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "project_erasure",
                    "id": "proj_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "name": "support",
                    "state": "erasing",
                    "contents": {
                        "files": 2,
                        "datasets": 1,
                        "models": 3,
                        "evaluations": 5,
                        "experiments": 1,
                        "jobs": 12,
                        "open_jobs": 0,
                        "keys": 2,
                        "webhooks": 1,
                        "cached_answers": 1500,
                    },
                }
            ]
        }
    )

    object: Literal["project_erasure"] = "project_erasure"
    id: str = Field(description="of the project")
    name: str = Field(description="of the project")
    state: Literal["planned", "erasing"] = Field(description="`planned`: nothing has changed")
    contents: ProjectContents = Field(description="what it holds now")


class Erasure(BaseModel):
    """Something of a deleted output that is still to be erased; it is tried until it is."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "object": "erasure",
                    "id": "era_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "output": "model_01jd5v3q8e7z2m4n6p8r0s2t4v",
                    "kind": "tuned",
                    "target": "projects/123/locations/us/endpoints/456",
                    "attempts": 2,
                    "error": "provider_unavailable",
                    "due_at": "2026-11-21T08:04:12Z",
                    "created_at": "2026-11-21T08:00:00Z",
                }
            ]
        },
    )

    object: Literal["erasure"] = "erasure"
    id: str = Field(description="of this erasure")
    output: str = Field(description="id of the deleted output")
    kind: str = Field(description="folder, object, tuned, batch or database")
    target: str = Field(description="key, folder or resource name of what is left")
    attempts: int = Field(description="how often it was tried in vain")
    error: str | None = Field(description="code of the last attempt's failure")
    due_at: AwareDatetime = Field(description="when it is tried next")
    created_at: AwareDatetime = Field(description="when the output was deleted")


class RetentionRule(BaseModel):
    """How long one kind of data is kept."""

    data: str = Field(
        description="experiment, evaluation, model, dataset, file, job, event, delivery, audit, "
        "or cache: answers that may be used again"
    )
    days: float | None = Field(description="null: until it is deleted; of `cache`: not at all")
    setting: str = Field(description="the setting that says so")
    overdue: int | None = Field(
        description="how many of the project's are older: they go with the next sweep, or once "
        "nothing needs them; at most 10,000 are counted. Null where nothing is counted"
    )


class Retention(BaseModel):
    """How long each kind of data is kept in this installation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "retention",
                    "rules": [
                        {
                            "data": "dataset",
                            "days": 90,
                            "setting": "TUNECURVE_DATASET_DAYS",
                            "overdue": 0,
                        }
                    ],
                }
            ]
        }
    )

    object: Literal["retention"] = "retention"
    rules: list[RetentionRule] = Field(description="one for each kind of data")
