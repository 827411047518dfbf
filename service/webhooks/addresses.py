"""Rules of URLs and addresses a webhook may be sent to. Pure: no name is resolved here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from service.errors import Fault, Invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_LENGTH_LIMIT = 2000

# Global by the registries, yet they reach internal hosts. The other ways in (NAT64, IPv4-mapped,
# the clouds' metadata addresses, private and shared networks) are not global unicast to begin with.
_NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("168.63.129.16/32"),  # Azure WireServer, answers within every machine there
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("3fff::/20"),  # documentation, unknown to Python 3.11
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".onion")
_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)+"
)
_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>\d{1,5})")
_ENDS_IN_NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$")


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """Addresses, and the one port of them; None means any."""

    network: Network
    port: int | None = None


@dataclass(frozen=True, slots=True)
class UrlRules:
    """`allow_networks` are let through though they are not public, without TLS."""

    allow_networks: tuple[AllowedNetwork, ...] = ()
    ports: tuple[int, ...] = (443,)


def url_rules(
    *,
    allow_networks: Iterable[str] = (),
    ports: Iterable[int] = (443,),
    setting: str = "TUNECURVE_WEBHOOK_ALLOW_NETWORKS",
) -> UrlRules:
    """Return the rules that settings state. Raises Invalid for what is not a network."""
    try:
        networks = tuple(_allowed(text.strip()) for text in allow_networks)
    except ValueError as error:
        message = (
            f"{setting}: {error}; write networks as 10.0.0.0/8, one port of an address as "
            "127.0.0.1:9000 or [::1]:9000"
        )
        raise Invalid(message, code="invalid_setting") from error
    return UrlRules(allow_networks=networks, ports=tuple(ports))


def _allowed(text: str) -> AllowedNetwork:
    found = _WITH_PORT.fullmatch(text)
    if found is None:
        return AllowedNetwork(ip_network(text))
    port = int(found["port"])
    if not 0 < port < 1 << 16:
        raise ValueError(f"{port} is no port")
    return AllowedNetwork(ip_network(found["v6"] or found["v4"]), port)


def is_public(address: Address) -> bool:
    """Return whether the address is one of the open Internet, as far as the address shows."""
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_allowed(address: Address, port: int, rules: UrlRules) -> bool:
    return any(
        address in allowed.network and allowed.port in {None, port}
        for allowed in rules.allow_networks
    )


def may_connect(address: Address, port: int, rules: UrlRules) -> bool:
    """Return whether a webhook may be sent to this address and port."""
    return _is_allowed(address, port, rules) or (is_public(address) and port in rules.ports)


def check_url(url: str, *, rules: UrlRules, pointer: str = "/url") -> str:
    """Return the URL, or raise Invalid `invalid_url` or `url_not_allowed`.

    What the host resolves to is judged at every connection, not here: it may change.
    """
    parsed = _parse(url, pointer)
    host = parsed.raw_host.decode("ascii")
    literal = _literal(host)
    port = parsed.port or {"https": 443, "http": 80}[parsed.scheme]
    if literal is not None and _is_allowed(literal, port, rules):
        return url
    if parsed.scheme != "https":
        raise _refused("use https", pointer)
    if port not in rules.ports:
        raise _refused(f"port {port} is not open to webhooks; use {_listed(rules)}", pointer)
    if literal is None:
        _check_name(host, pointer)
    elif not is_public(literal):
        raise _refused("the address is not a public one", pointer)
    return url


def _parse(url: str, pointer: str) -> Any:
    """Return the URL as the sender's HTTP client reads it."""
    import httpx2

    if len(url) > URL_LENGTH_LIMIT or not url.isprintable() or "\\" in url or " " in url:
        raise _malformed("it is too long or has spaces, backslashes or controls", pointer)
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise _malformed("it cannot be parsed", pointer) from error
    if parsed.scheme not in {"https", "http"} or not parsed.raw_host:
        raise _malformed("write https://host/path", pointer)
    if parsed.userinfo or parsed.fragment:
        raise _malformed("leave out the user, password and fragment", pointer)
    if parsed.port is not None and not 0 < parsed.port < 1 << 16:
        raise _malformed("the port is out of range", pointer)
    return parsed


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_name(host: str, pointer: str) -> None:
    name = host.lower().removesuffix(".")
    # `2130706433`, `0x7f.1` and `127.1` are addresses to a resolver, though not to ipaddress
    if _ENDS_IN_NUMBER.search(name):
        raise _malformed("write the address as four decimal numbers", pointer)
    if "." not in name or f".{name}".endswith(_LOCAL_NAMES):
        raise _refused("the name is a local one; use a public name", pointer)
    if not _NAME.fullmatch(name):
        raise _malformed("the host is not a name", pointer)


def _listed(rules: UrlRules) -> str:
    return ", ".join(str(port) for port in rules.ports)


def _malformed(why: str, pointer: str) -> Invalid:
    return _invalid("invalid_url", f"the URL is not valid: {why}", pointer)


def _refused(why: str, pointer: str) -> Invalid:
    return _invalid("url_not_allowed", f"the URL is not allowed: {why}", pointer)


def _invalid(code: str, message: str, pointer: str) -> Invalid:
    return Invalid(message, code=code, faults=[Fault(pointer, code, message)])
