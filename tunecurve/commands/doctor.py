"""`tunecurve doctor`: what is set, what is there, what is missing. It changes nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Annotated

import typer

from tunecurve.commands.options import DataDirOption, KeyOption, OutputOption, UrlOption
from tunecurve.commands.server_findings import Finding, State, ask_preflight, ask_server
from tunecurve.errors import ExitCode, TunecurveError
from tunecurve.output import Column, OutputFormat, Row, print_json, render_table
from tunecurve.settings import data_folder, server_environment
from tunecurve.stack.locks import is_locked
from tunecurve.stack.redis import choose_redis, redis_answers
from tunecurve.stack.services import (
    INSTALL_HINT,
    Parts,
    check_command,
    process_environment,
    server_folder,
    stack_environment,
)
from tunecurve.stack.state import lock_file, read_state

Environment = Mapping[str, str]

_FREE_BYTES = 200 << 20
_SECONDS_TO_CHECK = 60.0
_OLDEST_PYTHON = (3, 11)
_SHOWN = re.compile(r"^(TUNECURVE_|GOOGLE_|STORAGE_EMULATOR_HOST$|HF_HUB_OFFLINE$)")
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD")
_URL_PASSWORD = re.compile(
    r"(://[^:/@\s]*:)[^@\s]+(?=@)|((?:password|secret|token)=)[^&\s]+", re.IGNORECASE
)
_WELL_KNOWN_CREDENTIALS = "~/.config/gcloud/application_default_credentials.json"


def doctor(
    *,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
    tuning: Annotated[
        bool,
        typer.Option(
            "--tuning", help="Also ask Google whether a tuning would work; costs nothing."
        ),
    ] = False,
) -> None:
    """Show the settings and what is missing.

    Secrets are masked. Exits with 3 when something is wrong.
    """
    environment = server_environment()
    folder = data_folder(environment, chosen=data_dir)
    findings = examine(environment, data_dir=data_dir, url=url, key=key)
    if tuning:
        findings += ask_preflight(folder, environment)
    settings = effective_settings(environment, folder=folder)
    checks = [asdict(finding) for finding in findings]
    if output is OutputFormat.JSON:
        print_json({"checks": checks, "settings": settings})
    else:
        _print(checks, settings)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(ExitCode.CONFIGURATION)


def _print(findings: Sequence[Row], settings: Mapping[str, str]) -> None:
    checks = {name.upper(): itemgetter(name) for name in ("check", "state", "detail")}
    print(render_table(checks, findings))
    print()
    columns: dict[str, Column] = {"SETTING": itemgetter("name"), "VALUE": itemgetter("value")}
    rows = [{"name": name, "value": value} for name, value in settings.items()]
    print(render_table(columns, rows))


def examine(
    environment: Environment, *, data_dir: Path | None, url: str | None, key: str | None
) -> list[Finding]:
    """Return one finding for each thing that Tunecurve needs."""
    folder = data_folder(environment, chosen=data_dir)
    asked = ask_server(environment, data_dir=data_dir, url=url, key=key)
    answers = asked[0].state == "ok"
    return [
        _python(),
        _installed(),
        _folder(folder),
        _redis(environment),
        _stack(folder),
        *([] if answers else _check(environment, folder)),
        *asked,
        _credentials(environment),
    ]


def effective_settings(environment: Environment, *, folder: Path) -> dict[str, str]:
    """Return what the services of an embedded stack get, secrets masked."""
    state = read_state(folder)
    emulated = not environment.get("TUNECURVE_VERTEX_ENDPOINT")
    parts = Parts(
        folder=folder,
        redis_url=environment.get("TUNECURVE_REDIS_URL") or (state.redis if state else "(private)"),
        emulator_url=((state.emulator if state else None) or "(started by up)")
        if emulated
        else None,
        master_key="(kept in the data folder)",
    )
    effective = stack_environment(environment, parts)
    return {
        name: mask(name, value) for name, value in sorted(effective.items()) if _SHOWN.match(name)
    }


def mask(name: str, value: str) -> str:
    """Return a setting's value without what opens anything."""
    if _SECRET_NAME.search(name):
        return "***"
    return _URL_PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", value)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    state: State = "ok" if sys.version_info >= _OLDEST_PYTHON else "fail"
    return Finding("python", state, f"{version} at {sys.executable}")


def _installed() -> Finding:
    folder = server_folder()
    if folder is None:
        return Finding("server packages", "off", INSTALL_HINT)
    return Finding("server packages", "ok", f"in {folder}")


def _folder(folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    disk = os.statvfs(existing)
    read_only = bool(disk.f_flag & os.ST_RDONLY) or not os.access(existing, os.W_OK)
    if not existing.is_dir() or read_only:
        return Finding("data folder", "fail", f"{existing} cannot be written to")
    free = disk.f_bavail * disk.f_frsize
    if free < _FREE_BYTES:
        left = f"{free >> 20} MB are left on its disk, too few: make room"
        return Finding("data folder", "fail", f"{folder}: {left}")
    return Finding("data folder", "ok", f"{folder}, {free / (1 << 30):.1f} GB free")


def _check(environment: Environment, folder: Path) -> list[Finding]:
    """Return what the server would find wrong with settings and database, had it been started."""
    if server_folder() is None:
        return []
    if not environment.get("TUNECURVE_DATABASE_URL") and not (folder / "tunecurve.db").is_file():
        return [Finding("database", "off", "none yet; the first `tunecurve up` makes it")]
    try:
        done = subprocess.run(
            check_command(),
            cwd=folder if folder.is_dir() else None,
            env={**process_environment(environment), "TUNECURVE_DATA_DIR": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_CHECK,
            check=False,
        )
    except subprocess.TimeoutExpired:
        slow = f"it does not answer within {_SECONDS_TO_CHECK:g} s"
        return [Finding("database", "fail", slow)]
    faults = [*done.stdout.splitlines(), *done.stderr.splitlines()[-1:]]
    if done.returncode == 0:
        return [Finding("database", "ok", "its tables are there and it takes writes")]
    return [Finding("settings, database", "fail", fault) for fault in faults]


def _redis(environment: Environment) -> Finding:
    if server_folder() is None:
        return Finding("redis", "off", "only the server needs it")
    try:
        choice = choose_redis(environment)
    except TunecurveError as error:
        return Finding("redis", "fail", str(error))
    if choice.url is not None and not redis_answers(choice.url):
        why = "nothing answers there"
        if choice.url.startswith("rediss:"):
            why += " by TLS, or its certificate is not one that is trusted"
        return Finding("redis", "fail", f"{choice}: {why}")
    return Finding("redis", "ok", str(choice))


def _stack(folder: Path) -> Finding:
    state = read_state(folder)
    if not is_locked(lock_file(folder)):
        return Finding("stack", "off", "not running; `tunecurve up` starts it")
    if state is None:
        return Finding("stack", "ok", "starting or stopping")
    return Finding("stack", "ok", f"process {state.pid} at {state.url}")


def _credentials(environment: Environment) -> Finding:
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = Path(named or _WELL_KNOWN_CREDENTIALS).expanduser()
    if file.is_file():
        return Finding("google credentials", "ok", str(file))
    if named:
        return Finding("google credentials", "fail", f"{file} does not exist")
    return Finding(
        "google credentials",
        "off",
        "none in a file; the emulator needs none, Google Cloud machines bring their own",
    )
