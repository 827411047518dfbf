"""What the HTTP status of a service outside says about a request that is sent again."""

# 409 is ABORTED, 421 a connection that leads to another host, 425 a request that came too early.
PASSING_STATUSES = frozenset({408, 409, 421, 425, 429, 499})
_LASTING_STATUSES = frozenset({501, 505})  # not implemented, a version of HTTP that is not spoken
FIRST_ERROR, SERVER_ERROR = 400, 500


def may_pass(status: int) -> bool:
    """Return whether the same request may have another answer later, or may have been carried out.

    Else it was refused as it stands, unread: too large (413), not implemented (501), and the like.
    Below 400 is what no API answers: a proxy that redirects, such as a hotel's.
    """
    if status in PASSING_STATUSES or status < FIRST_ERROR:
        return True
    return status >= SERVER_ERROR and status not in _LASTING_STATUSES
