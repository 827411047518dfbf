"""Entity tags: what a client has already seen, and what it means to change."""

import re

from service.errors import TunecurveError

_RECODED = re.compile(r'--?(?:gzip|br|zstd)(?="$)')


class PreconditionRequired(TunecurveError):  # noqa: N818  named like the kinds of service.errors
    status = 428
    default_code = "precondition_required"
    title = "Say which version you mean to change"


def etag_of(*parts: str | int) -> str:
    """Return a strong entity tag of parts that change with the answer."""
    return f'"{"-".join(map(str, parts))}"'


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Return whether the client has this version, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    return bool({"*", etag} & {*_tags(if_none_match)})


def expected_version(if_match: str | None, *, current: int) -> int:
    """Return the version a change is meant for: `"3"`, or `*` for whichever there is.

    Raises PreconditionRequired without the header. What is no version matches none.
    """
    if if_match is None:
        message = 'read the object and send its ETag as If-Match, such as If-Match: "3"'
        raise PreconditionRequired(message)
    versions = [current if tag == "*" else _version(tag) for tag in _tags(if_match)]
    return current if current in versions else versions[0]


def _tags(header: str) -> list[str]:
    """Return the tags as they were given out, without what a compressing proxy made of them.

    nginx weakens a tag (`W/"3"`), Apache and Jetty add a suffix (`"3-gzip"`, `"3--gzip"`).
    """
    return [_RECODED.sub("", each.strip().removeprefix("W/")) for each in header.split(",")]


def _version(tag: str) -> int:
    number = tag.strip('"')
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else -1  # noqa: PLR2004  32 bits
