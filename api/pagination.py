"""Lists, page by page."""

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the path of the page after it."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    next: str | None


def page_of(
    found: Sequence[Item], *, limit: int, cursor: Callable[[Item], str | int], request: Request
) -> Page[Item]:
    """Return a page of up to `limit` items; `found` has one more if there is a next page."""
    data = list(found[:limit])
    has_more = len(found) > limit
    return Page(
        data=data,
        has_more=has_more,
        next=_path_after(cursor(data[-1]), request) if has_more else None,
    )


def _path_after(cursor: str | int, request: Request) -> str:
    url = request.url.include_query_params(after=cursor)
    return f"{url.path}?{url.query}"
