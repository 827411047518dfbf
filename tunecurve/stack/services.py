"""The processes of the embedded stack: their commands and the environment that they get."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tunecurve.errors import ConfigurationError
from tunecurve.stack.processes import Service

Environment = Mapping[str, str]

INSTALL_HINT = "the server is not installed here: pip install tunecurve-server"
HOST = "127.0.0.1"
_LOOPBACK = (HOST, "localhost")

_REDIS, _EMULATOR, _API, _WORK = range(4)
# Warm stop: a worker may finish what takes seconds. A longer job's lease expires and it resumes.
_WORKER_GRACE_SECONDS = 4.0
_WORKER_SLOTS = "2"
_GENERAL_QUEUES = "prepare,tune,poll,experiment,notify"
_LOCAL_QUEUES = "tune-local,evaluate-local"
_SERVER_PACKAGES = ("api", "emulator", "service", "workers")
_EMULATOR_DEFAULTS = {
    "TUNECURVE_STORAGE": "gs://tunecurve/data",
    "TUNECURVE_GOOGLE_CLOUD_PROJECT": "tunecurve-local",
    "TUNECURVE_POLL_SECONDS": "1",
    "TUNECURVE_REQUESTS_PER_MINUTE": "6000",
}
# Imported once for API, workers and ticker, in this order: the first leaves out what it can.
FORKED_MODULES = ("workers.preloaded", "api.app", "uvicorn")
_NEEDED_FOR_GOOGLE = ("TUNECURVE_GOOGLE_CLOUD_PROJECT", "TUNECURVE_STORAGE")


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found or started before the services: `emulator_url` is None with real Google."""

    folder: Path
    redis_url: str
    emulator_url: str | None
    master_key: str


def uses_emulator(environment: Environment, *, enabled: bool) -> bool:
    """Return whether the stack starts an emulator of its own.

    Raises ConfigurationError where it does not and the settings of real Google are missing.
    """
    if enabled and not environment.get("TUNECURVE_VERTEX_ENDPOINT"):
        return True
    missing = [name for name in _NEEDED_FOR_GOOGLE if not environment.get(name)]
    if missing:
        raise ConfigurationError(f"without the emulator, set {' and '.join(missing)}")
    return False


def server_folder() -> Path | None:
    """Return the folder of the import path that holds the server's packages; None: not installed.

    What a person keeps in the folder they work in, such as an `api/` of their own, is no server.
    """
    places = (Path(__file__).resolve().parents[2], *map(Path, sys.path))
    return next((place for place in places if _holds_server(place)), None)


def require_server() -> None:
    """Raise ConfigurationError saying what to install unless the server is installed."""
    if server_folder() is None:
        raise ConfigurationError(INSTALL_HINT)


def process_environment(environment: Environment) -> dict[str, str]:
    """Return the environment with the server's packages first on the import path, and without
    the folder that the process runs in.
    """
    path = filter(None, [str(server_folder() or ""), environment.get("PYTHONPATH")])
    return {
        # Its threads wait by computing: a second one costs all that learns or fits a tenth more.
        "OPENBLAS_NUM_THREADS": "1",
        **environment,
        **_without_proxy_for_loopback(environment),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _without_proxy_for_loopback(environment: Environment) -> dict[str, str]:
    """Return the proxy variables that keep requests to this very machine here."""
    chosen = environment.get("no_proxy") or environment.get("NO_PROXY")
    hosts = chosen if chosen == "*" else ",".join(filter(None, [chosen, *_LOOPBACK]))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def stack_environment(environment: Environment, parts: Parts) -> dict[str, str]:
    """Return the services' environment: what is set stays, defaults suit the embedded stack."""
    defaults = {"TUNECURVE_MASTER_KEY": parts.master_key}
    if parts.emulator_url is not None:
        defaults |= _EMULATOR_DEFAULTS
        defaults["STORAGE_EMULATOR_HOST"] = parts.emulator_url
        defaults["TUNECURVE_VERTEX_ENDPOINT"] = parts.emulator_url
    fixed = {
        "TUNECURVE_DATA_DIR": str(parts.folder),
        "TUNECURVE_REDIS_URL": parts.redis_url,
        "TUNECURVE_LOG_FORMAT": "json",
    }
    return {**defaults, **process_environment(environment), **fixed}


def redis_service(
    command: tuple[str, ...], *, environment: Mapping[str, str], lock: Path
) -> Service:
    return Service("redis", command, stage=_REDIS, environment=environment, lock=lock)


def emulator_command(*, host: str, port: int) -> tuple[str, ...]:
    """Return the command of the emulator; port 0 lets it pick one, which it prints."""
    return (sys.executable, "-m", "emulator", "--host", host, "--port", str(port))


def emulator_service(folder: Path, *, port: int, environment: Mapping[str, str]) -> Service:
    command = (
        *(*emulator_command(host=HOST, port=port), "--state", str(folder)),
        *("--parent-pid", str(os.getpid())),
    )
    lock = folder.parent / "emulator.lock"
    return Service("emulator", command, stage=_EMULATOR, environment=environment, lock=lock)


def migration_service(environment: Mapping[str, str]) -> Service:
    command = (sys.executable, "-m", "api", "migrate")
    return Service("migrate", command, stage=_API, environment=environment, forks=True)


def check_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "api", "check")


def reset_key_command(project: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "api", "reset-key", "--project", project)


def clean_command(*, yes: bool) -> tuple[str, ...]:
    return (sys.executable, "-m", "workers.clean", *(("--yes",) if yes else ()))


def preflight_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "workers.preflight")


def api_service(*, port: int, environment: Mapping[str, str]) -> Service:
    command = (sys.executable, "-m", "api", "serve", "--host", HOST, "--port", str(port))
    return Service("api", command, stage=_API, environment=environment, forks=True)


def work_services(environment: Mapping[str, str]) -> tuple[Service, ...]:
    """Return two workers, so that evaluations never keep the rest from running, and the ticker.

    Where local models are allowed and can be loaded, a worker of their own has a slot for each
    GPU, else one; without it their jobs end with the reason.
    """
    has_local = bool(environment.get("TUNECURVE_LOCAL_MODELS")) and find_spec("torch") is not None
    general = _GENERAL_QUEUES if has_local else f"{_GENERAL_QUEUES},{_LOCAL_QUEUES}"
    local = _worker("local", _LOCAL_QUEUES, environment, slots="gpus")
    return (
        _worker("general", general, environment),
        _worker("evaluate", "evaluate", environment),
        *([local] if has_local else []),
        Service(
            "ticker",
            (sys.executable, "-m", "workers.ticker"),
            stage=_WORK,
            environment=environment,
            forks=True,
        ),
    )


def _worker(
    name: str, queues: str, environment: Mapping[str, str], *, slots: str = _WORKER_SLOTS
) -> Service:
    command = (
        *(sys.executable, "-m", "workers", "--queues", queues),
        *("--concurrency", slots, "--name", f"{name}@%h"),
    )
    return Service(
        f"worker-{name}",
        command,
        stage=_WORK,
        grace_seconds=_WORKER_GRACE_SECONDS,
        environment=environment,
        forks=True,
    )


def _holds_server(folder: Path) -> bool:
    return all((folder / name / "__init__.py").is_file() for name in _SERVER_PACKAGES)
