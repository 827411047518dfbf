"""`python -m api`: serve, migrate, make or reset keys, print the contract or the settings."""

import argparse
import contextlib
import gc
import ipaddress
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence

import structlog

from api.environment import settings_page, unknown_settings
from service.database import Sessions, open_sessions
from service.errors import TunecurveError
from service.logging import configure_logging
from service.migrations.upgrade import require_room, require_tables, upgrade
from service.projects.operations import create_key, ensure_project, has_keys, reset_keys
from service.projects.schemas import DEFAULT_PROJECT, Scope
from service.settings import Settings, read_settings

log = structlog.get_logger()

_BACKLOG = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # database and objects are for their owner
    try:
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        match options.command:
            case "serve":
                return serve(
                    settings, host=options.host, port=options.port, workers=options.workers
                )
            case "migrate":
                migrate(settings, first_key=not options.without_key)
            case "key":
                print_new_key(settings, options.project, name=options.name, scopes=options.scopes)
            case "reset-key":
                print_reset_key(settings, options.project)
            case "check":
                return check(settings)
            case "settings":
                sys.stdout.write(settings_page())
            case _:
                print_document(settings)
    except TunecurveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="answer HTTP")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8765)
    serving.add_argument("--workers", type=int, default=1, help="processes that share the port")
    migration = commands.add_parser(
        "migrate", help="bring the tables up to date; the first time, make a key"
    )
    migration.add_argument(
        "--without-key", action="store_true", help="make none: where the output is kept in a log"
    )
    key = commands.add_parser("key", help="make a key and print its secret")
    key.add_argument("--name", required=True)
    key.add_argument("--scopes", type=_scopes, required=True, help="of read,write,admin")
    key.add_argument("--project", default=DEFAULT_PROJECT)
    reset = commands.add_parser("reset-key", help="replace a project's admin keys by a new one")
    reset.add_argument("--project", default=DEFAULT_PROJECT)
    commands.add_parser("check", help="say what is wrong with settings and database")
    commands.add_parser("openapi", help="print the contract")
    commands.add_parser("settings", help="print every setting with its default and meaning")
    return parser


def _scopes(text: str) -> list[Scope]:
    try:
        return [Scope(each) for each in text.split(",")]
    except ValueError:
        message = f"scopes are {','.join(Scope)}, with commas between them"
        raise argparse.ArgumentTypeError(message) from None


def serve(settings: Settings, *, host: str, port: int, workers: int = 1) -> int:
    """Serve until stopped, in `workers` processes; return the exit status.

    Other machines are served only once a key exists.
    """
    # Imported here, as it takes half a second that the other commands do not need.
    import uvicorn

    from api.app import create_app
    from api.http_server import allow_open_files, run_processes, server_config

    if not is_loopback(host):
        _require_key(settings)
    log.info("api_started", host=host, port=port)
    allow_open_files(settings.connections_limit)

    def run(opened: socket.socket | None = None) -> None:
        config = server_config(create_app(settings), settings, host=host, port=port)
        gc.collect()
        gc.freeze()  # else requests stop for 0.1 s while all that was imported is looked through
        uvicorn.Server(config).run(sockets=[opened] if opened else None)

    if workers == 1:
        run()
        return 0
    with socket.create_server((host, port), backlog=_BACKLOG) as opened:
        return run_processes(workers, run, opened)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what is bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_key(settings: Settings) -> None:
    with _sessions(settings) as sessions:
        project_id = ensure_project(DEFAULT_PROJECT, sessions=sessions)
        if not has_keys(project_id, sessions=sessions):
            message = (
                "there is no key yet: make one with `python -m api reset-key`, or serve on "
                "127.0.0.1"
            )
            raise TunecurveError(message, code="no_key")


@contextlib.contextmanager
def _sessions(settings: Settings) -> Iterator[Sessions]:
    """Yield all that a command on keys needs: to import the container takes half a second."""
    opened = open_sessions(settings.resolved_database_url)
    try:
        yield opened
    finally:
        opened.close()


def migrate(settings: Settings, *, first_key: bool = True) -> None:
    """Run the missing migrations; print a first key where the default project has none."""
    upgrade(settings.resolved_database_url)
    with _sessions(settings) as sessions:
        project_id = ensure_project(DEFAULT_PROJECT, sessions=sessions)
        if first_key and not has_keys(project_id, sessions=sessions):
            key = create_key(project_id, name="first", scopes=Scope, sessions=sessions)
            sys.stdout.write(f"key: {key.secret}\n")


def print_new_key(settings: Settings, project: str, *, name: str, scopes: Sequence[Scope]) -> None:
    """Make a key of a project, which is made when there is none, and print the secret."""
    with _sessions(settings) as sessions:
        project_id = ensure_project(project, sessions=sessions)
        key = create_key(project_id, name=name, scopes=scopes, sessions=sessions)
    sys.stdout.write(f"key: {key.secret}\n")


def print_reset_key(settings: Settings, project: str) -> None:
    """Replace the keys that administer a project by a new one, and print its secret."""
    with _sessions(settings) as sessions:
        key = reset_keys(project, sessions=sessions)
    sys.stdout.write(f"key: {key.secret}\n")


def check(settings: Settings) -> int:
    """Print what is wrong with the settings and the database; return 1 where anything is."""
    from service.container import Container

    faults = unknown_settings()
    container = Container(settings)
    try:
        require_tables(container.sessions)
        require_room(container.sessions)
    except TunecurveError as error:
        faults.append(f"database: {error.message}")
    finally:
        container.close()
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    return 1 if faults else 0


def print_document(settings: Settings) -> None:
    """Print the OpenAPI document as `docs/openapi.json` keeps it."""
    from api.app import create_app

    document = create_app(settings).openapi()
    sys.stdout.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
