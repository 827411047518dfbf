"""One reading of a Redis address: two libraries take it, each with a spelling of its own. Pure."""

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from service.errors import Invalid

_SCHEMES = ("redis", "rediss", "unix")
_TLS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_VERIFY = {
    "required": "required",
    "cert_required": "required",
    "optional": "optional",
    "cert_optional": "optional",
    "none": "none",
    "cert_none": "none",
}
_KNOWN = "known: redis://host:6379/0, rediss://host:6379/0, unix:///path/to.sock?db=0"


class RedisAddress:
    """An address as redis-py spells it (`url`) and as Celery does (`broker_url`).

    The certificate of a `rediss://` server is verified by both unless the address says otherwise.
    Raises Invalid `invalid_redis_url`, which repeats nothing of the address but a name.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address.replace("redis+socket://", "unix://", 1))
        if parts.scheme not in _SCHEMES:
            raise _invalid(f"no Redis address has the scheme {parts.scheme[:20]!r}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        database = _database(query, "" if parts.scheme == "unix" else parts.path.strip("/"))
        tls = _tls(query, secure=parts.scheme == "rediss")
        if query:
            known = ", ".join(("db", *_TLS))
            raise _invalid(f"unknown parameter {next(iter(query))[:40]!r}; known: {known}")
        if parts.scheme == "unix":
            place = f"{parts.netloc}{parts.path}"
            self.url = f"unix://{place}?db={database}"
            self.broker_url = f"redis+socket://{place}?virtual_host={database}"
        else:
            place = f"{parts.netloc or 'localhost:6379'}/{database}"
            self.url = self.broker_url = f"{parts.scheme}://{place}{tls}"


def _database(query: dict[str, str], path: str) -> int:
    """Return the number of the database, which may stand in the path or as `db`."""
    names = {name for name in (path, query.pop("db", ""), query.pop("virtual_host", "")) if name}
    if len(names) > 1:
        raise _invalid("it names two databases")
    name = unquote(names.pop()) if names else "0"
    if not name.isdecimal():
        raise _invalid(f"{name[:20]!r} is no number of a database")
    return int(name)


def _tls(query: dict[str, str], *, secure: bool) -> str:
    given = {name: query.pop(name) for name in _TLS if name in query}
    if not secure:
        if given:
            raise _invalid(f"{next(iter(given))} goes with rediss://")
        return ""
    verify = given.get("ssl_cert_reqs", "required").lower()
    if verify not in _VERIFY:
        raise _invalid("ssl_cert_reqs is one of required, optional, none")
    return "?" + urlencode({**given, "ssl_cert_reqs": _VERIFY[verify]}, quote_via=quote, safe="/")


def _invalid(message: str) -> Invalid:
    return Invalid(f"TUNECURVE_REDIS_URL: {message}; {_KNOWN}", code="invalid_redis_url")
