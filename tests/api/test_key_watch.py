"""Answers that are sent for a while end with their key: downloads look broken, streams end."""

import contextlib
from collections.abc import Iterator

import httpx2

from tests.api.server import Api, Caller
from tests.support.eventually import eventually

ROWS = b"text,target\n" + b"good,positive\n" * (3 << 20)  # more than sockets hold


@contextlib.contextmanager
def _reading(caller: Caller, path: str) -> Iterator[httpx2.Response]:
    headers = {"Authorization": f"Bearer {caller.secret}"}
    with caller.http.stream("GET", path, headers=headers) as answer:
        yield answer


def _breaks_off(download: httpx2.Response) -> bool:
    """Read slowly until it ends; return whether that is before its end."""
    pieces = download.iter_raw()

    def ends() -> bool:
        try:
            return next(pieces, None) is None
        except httpx2.RemoteProtocolError:
            return True

    eventually(ends, pause=0.01, what="a download goes on")
    return download.num_bytes_downloaded < len(ROWS)


def test_what_is_being_sent_ends_with_its_key_or_project(api: Api, caller: Caller) -> None:
    revoked, closed = api.caller(), api.caller("other")
    kept_file, other_file = (each.upload(ROWS).json()["id"] for each in (caller, closed))
    mine, others = (f"/v1/files/{file}/content" for file in (kept_file, other_file))
    with (
        _reading(caller, mine) as kept,
        _reading(revoked, mine) as without_key,
        _reading(closed, others) as without_project,
        _reading(revoked, "/v1/events/stream") as silent,
        _reading(closed, "/v1/events/stream") as silent_too,
    ):
        key = revoked.get("/v1/me").json()["key"]
        assert caller.delete(f"/v1/keys/{key}").status_code == 204
        assert caller.delete(f"/v1/projects/{closed.project_id}").status_code == 202
        assert _breaks_off(without_key)
        assert _breaks_off(without_project)
        assert silent.read() == silent_too.read() == b": hello\n\n"
        assert kept.read() == ROWS
