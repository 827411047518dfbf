"""What crosses HTTP about a search for a text."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.ids import Prefix, example_id

_PLACE: dict[str, Any] = {
    "kind": "prediction",
    "id": example_id(Prefix.EVALUATION),
    "project_id": example_id(Prefix.PROJECT),
    "field": "text",
    "count": 3,
}


class SubjectQuery(BaseModel):
    """A text to find, and where to continue. It is neither stored nor logged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "Zoë Roe"}]})

    text: Annotated[str, Field(min_length=3, max_length=1000, pattern=r"\S\s*\S")] = Field(
        description="found whatever its case, Unicode form and white space", repr=False
    )
    after: str | None = Field(
        default=None, max_length=1000, description="`next` of the answer before"
    )


class SubjectPlace(BaseModel):
    """Where the text stands."""

    kind: str = Field(description="table of the database, or `object` of the object store")
    id: str = Field(description="of the output or row that holds it; of an object its key")
    project_id: str | None = Field(description="whose it is; null for what belongs to none")
    field: str = Field(description="column of the table; of an object `content`")
    count: int = Field(description="rows or lines that hold it")


class SubjectSearch(BaseModel):
    """What a part of the search has found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "subject_search",
                    "places": [_PLACE],
                    "rows": 5000,
                    "objects": 0,
                    "unread": [],
                    "next": None,
                }
            ]
        }
    )

    object: Literal["subject_search"] = "subject_search"
    places: list[SubjectPlace] = Field(description="where it stands, of what was looked at")
    rows: int = Field(description="of the database that were looked at")
    objects: int = Field(description="of the object store that were looked at")
    unread: list[str] = Field(description="keys of objects that could not be read")
    next: str | None = Field(description="send it as `after` to continue; null: all was looked at")
