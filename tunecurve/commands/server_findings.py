"""What `tunecurve doctor` learns from the server: parts, default model, models, retention, and
whether a tuning would work.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tunecurve.errors import TunecurveError, UnreachableError
from tunecurve.output import Row
from tunecurve.settings import Server, find_server
from tunecurve.stack.server_commands import run_server_command
from tunecurve.stack.services import preflight_command

if TYPE_CHECKING:
    from tunecurve.client import Client

State = Literal["ok", "off", "warn", "fail"]
_PREFLIGHT_SECONDS = 120.0
_PREFLIGHT_STATES: Mapping[str, State] = {
    "ok": "ok",
    "warn": "warn",
}  # the others keep tunings from working


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `off` (not in use) and `warn` are no faults."""

    check: str
    state: State
    detail: str


def ask_server(
    environment: Mapping[str, str], *, data_dir: Path | None, url: str | None, key: str | None
) -> list[Finding]:
    """Return a finding for each thing that a server is asked; all are `off` where none is known."""
    try:
        found = find_server(environment, url=url, key=key, data_dir=data_dir)
    except TunecurveError as error:
        return [
            Finding("server", "off", str(error)),
            _default_model(None),
            _retirements(None),
            _retention(None),
        ]
    return [
        _server(found),
        _default_model(found),
        _retirements(found),
        _retention(found),
        *_identities(found),
    ]


def ask_preflight(folder: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each check of the preflight; it asks the provider and pays nothing."""
    try:
        found = run_server_command(
            preflight_command(), folder, environment, seconds=_PREFLIGHT_SECONDS
        )
    except TunecurveError as error:
        return [Finding("tuning", "fail", str(error))]
    return [
        Finding(
            f"tuning: {each['check']}", _PREFLIGHT_STATES.get(each["state"], "fail"), each["detail"]
        )
        for each in found
    ]


def _server(found: Server) -> Finding:
    from tunecurve.client import Client

    try:
        with Client(found.url, found.key, timeout_seconds=5, retries=0) as client:
            status = client.ready()
            if found.key is not None:
                client.me()
    except TunecurveError as error:
        return Finding("server", "fail", f"{found.url}: {error}")
    said = {name: _status_text(value) for name, value in status.items() if value is not None}
    state, detail = said.pop("status", "ready"), said.pop("broker_detail", "")
    parts = ", ".join(f"{name} {value}" for name, value in said.items())
    reason = f"; {detail}" if detail else ""
    return Finding("server", "ok", f"{found.url}: {state} ({parts}){reason}")


def _default_model(server: Server | None) -> Finding:
    check = "default model"
    try:
        with _keyed_client(server) as client:
            default = client.catalogue()["default"]
    except TunecurveError as error:
        return Finding(check, "off", str(error))
    warnings = [warning["message"] for warning in default["warnings"]]
    if warnings:
        return Finding(check, "fail", "; ".join(warnings))
    return Finding(check, "ok", default["base_model"])


def _retirements(server: Server | None) -> Finding:
    """Return when the base models of our tuned models retire; a retired one is a fault."""
    check = "tuned models"
    try:
        with _keyed_client(server) as client:
            known = {entry["name"]: entry["lifecycle"] for entry in client.catalogue()["data"]}
            used = Counter(model["base_model"] for model in client.list("models"))
    except TunecurveError as error:
        return Finding(check, "off", str(error))
    dates = {name: _retires(known.get(name)) for name in sorted(used)}
    today = datetime.now(UTC).date().isoformat()
    parts = [
        f"{count} of {name} (retirement: {dates[name] or 'no date is known'})"
        for name, count in sorted(used.items())
    ]
    is_past = any(day and day <= today for day in dates.values())
    return Finding(check, "fail" if is_past else "ok", "; ".join(parts) or "none")


def _retires(lifecycle: Row | None) -> str | None:
    return (lifecycle["retired"] or lifecycle["retires"]) if lifecycle else None


def _retention(server: Server | None) -> Finding:
    """Return what is deleted by its age, and what is past it because something needs it."""
    try:
        with _keyed_client(server) as client:
            rules = client.retention()["rules"]
    except TunecurveError as error:
        return Finding("retention", "off", str(error))
    parts = [_rule_text(rule) for rule in rules if rule["days"]]
    endless = [rule["data"] for rule in rules if not rule["days"] and rule["data"] != "cache"]
    return Finding(
        "retention", "ok", "; ".join([*parts, f"until deleted: {', '.join(endless) or 'nothing'}"])
    )


def _identities(server: Server) -> list[Finding]:
    """Return a finding for each project with a service account; none where the key sees none."""
    try:
        with _keyed_client(server) as client:
            projects = [each for each in client.list("projects") if each["service_account"]]
            identities = {each["name"]: client.google_identity(each["id"]) for each in projects}
    except TunecurveError:
        return []
    states: dict[str, State] = {"ok": "ok", "unanswered": "warn"}
    return [
        Finding(
            f"google identity of {name}",
            states.get(each["state"], "fail"),
            f"{each['service_account']}: {each['detail']}",
        )
        for name, each in identities.items()
    ]


def _rule_text(rule: Row) -> str:
    older = f" ({rule['overdue']} older, gone with the next sweep or once nothing needs them)"
    return f"{rule['data']} {rule['days']:g} days{older if rule['overdue'] else ''}"


@contextlib.contextmanager
def _keyed_client(server: Server | None) -> Iterator["Client"]:
    """Yield a client that waits for nothing; raises UnreachableError where none has a key."""
    from tunecurve.client import Client

    if server is None or server.key is None:
        raise UnreachableError("known of a server with an API key")
    with Client(server.url, server.key, timeout_seconds=5, retries=0) as client:
        yield client


def _status_text(value: object) -> str:
    return str(value.get("status", value)) if isinstance(value, dict) else str(value)
