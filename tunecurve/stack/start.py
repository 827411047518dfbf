"""The steps of starting the embedded stack, from Redis to a ready API."""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tunecurve.client import Client
from tunecurve.errors import ConfigurationError, TunecurveError
from tunecurve.stack.forks import ForkServer
from tunecurve.stack.parenthood import HAS_PRCTL
from tunecurve.stack.processes import start_process
from tunecurve.stack.redis import (
    RedisChoice,
    choose_redis,
    claim_redis_folder,
    private_socket,
    redis_answers,
    redis_command,
    socket_parents,
)
from tunecurve.stack.services import (
    FORKED_MODULES,
    HOST,
    Parts,
    api_service,
    emulator_service,
    migration_service,
    process_environment,
    redis_service,
    stack_environment,
    work_services,
)
from tunecurve.stack.state import (
    StackState,
    make_private_folder,
    read_or_make_secret,
    write_private,
)
from tunecurve.stack.supervisor import StackError, Supervisor, log_tail

_SECONDS_TO_START = 30.0
_SECONDS_TO_BE_READY = 90.0
_EMULATOR_LINE = re.compile(r"emulator listening on http://[^:\s]+:(\d+)")
KEY_LINE = re.compile(r"^key: (\S+)$", re.MULTILINE)

Environment = Mapping[str, str]


class Start:
    """The steps of a start, in order; what they open is closed with `resources`."""

    def __init__(
        self,
        folder: Path,
        environment: Environment,
        supervisor: Supervisor,
        resources: contextlib.ExitStack,
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._supervisor = supervisor
        self._resources = resources
        self._process_environment = process_environment(environment)

    def parts(self, *, with_emulator: bool) -> Parts:
        """Start what the services need: the fork server, which imports meanwhile, and the rest."""
        if HAS_PRCTL:
            self._supervisor.fork_server = ForkServer(
                FORKED_MODULES,
                self._process_environment,
                folder=self._folder,
                log=self._supervisor.new_log("fork-server"),
            )
        choice = choose_redis(self._environment)
        redis_url = self._redis(choice)
        emulator_url = self._emulator() if with_emulator else None
        master_key = read_or_make_secret(self._folder / "master.key")
        return Parts(self._folder, redis_url, emulator_url, master_key)

    def services(self, parts: Parts, *, port: int) -> str | None:
        """Migrate, start everything else and wait until it is ready; return a new key if any."""
        environment = stack_environment(self._environment, parts)
        key = self._migrate(environment)
        self._supervisor.start(api_service(port=port, environment=environment))
        for service in work_services(environment):
            self._supervisor.start(service)
        with Client(_url(port), timeout_seconds=2, retries=0) as client:
            self._supervisor.wait_until(
                lambda: _is_ready(client), what="the API", seconds=_SECONDS_TO_BE_READY
            )
        self._supervisor.close_fork_server()  # it would keep what the others have changed since
        return key

    def state(self, parts: Parts, *, port: int) -> StackState:
        return StackState(
            url=_url(port),
            key_file=str(key_file(self._folder)),
            pid=os.getpid(),
            processes=self._supervisor.pids(),
            redis=parts.redis_url,
            emulator=parts.emulator_url,
        )

    def _redis(self, choice: RedisChoice) -> str:
        if choice.program is None:
            url = choice.url or ""
            if not redis_answers(url):
                raise ConfigurationError("no Redis answers at TUNECURVE_REDIS_URL")
            return url
        socket_file = self._resources.enter_context(
            private_socket(socket_parents(self._environment))
        )
        # The socket's folder must outlive the server, which the supervisor ends.
        self._resources.callback(self._supervisor.stop)
        folder = make_private_folder(self._folder / "redis")
        claim_redis_folder(folder, choice.program)
        command = redis_command(choice.program, socket_file=socket_file, folder=folder)
        lock = self._folder / "redis.lock"
        service = redis_service(command, environment=self._process_environment, lock=lock)
        self._supervisor.start(service)
        url = f"unix://{socket_file}"
        self._supervisor.wait_until(
            lambda: redis_answers(url), what="Redis", seconds=_SECONDS_TO_START
        )
        return url

    def _emulator(self) -> str:
        folder = make_private_folder(self._folder / "emulator")
        environment = self._process_environment
        process = self._supervisor.start(emulator_service(folder, port=0, environment=environment))
        self._supervisor.wait_until(
            lambda: _printed_port(process.log) is not None,
            what="the emulator",
            seconds=_SECONDS_TO_START,
        )
        port = _printed_port(process.log) or 0
        # The services have its address: a restarted emulator must listen on the same port.
        process.service = emulator_service(folder, port=port, environment=environment)
        return _url(port)

    def _migrate(self, environment: Environment) -> str | None:
        """Migrate the database; store and return the key that the first migration prints."""
        self._supervisor.pause()
        log = self._supervisor.new_log("migrate")
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as answer:
            with os.fdopen(writing, "wb") as output, log.open("wb") as errors:
                migration = start_process(
                    migration_service(environment),
                    self._supervisor.fork_server,
                    folder=self._folder,
                    output=output,
                    errors=errors,
                )
            text = answer.read().decode(errors="replace")
        if migration.wait() != 0:
            raise StackError(f"the migration failed; {log} ends with:\n{log_tail(log)}")
        printed = KEY_LINE.search(text)
        if printed is None:
            return None
        write_private(key_file(self._folder), printed[1] + "\n")
        return printed[1]


def key_file(folder: Path) -> Path:
    return folder / "key"


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _printed_port(log: Path) -> int | None:
    found = _EMULATOR_LINE.search(log.read_text(encoding="utf-8", errors="replace"))
    return int(found[1]) if found else None


def _is_ready(client: Client) -> bool:
    try:
        client.ready()
    except TunecurveError:
        return False
    return True
