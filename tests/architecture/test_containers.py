"""The containers, read as a person would review them: nothing here needs a container engine."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from service.settings import Settings
from service.task_queue import Queue
from tests.architecture.tree import ROOT, text_of
from tests.support.serving import serving

Service = Mapping[str, Any]

IMAGE = "tunecurve:"
ONE_SHOT = {"migrate"}
SECRETS = {
    "TUNECURVE_POSTGRES_PASSWORD",
    "TUNECURVE_REDIS_PASSWORD",
    "TUNECURVE_MASTER_KEY",
    "TUNECURVE_STORAGE",
    "GOOGLE_CLOUD_PROJECT",
}
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
INSTRUCTION = re.compile(r"^([A-Z]+)[ \t]+(.*)$", re.MULTILINE)


def _compose() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load(text_of(Path("docker-compose.yml")))
    return loaded


def _services() -> Mapping[str, Service]:
    services: Mapping[str, Service] = _compose()["services"]
    return services


def _ours() -> Mapping[str, Service]:
    return {
        name: service for name, service in _services().items() if service["image"].startswith(IMAGE)
    }


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with continued lines joined."""
    return INSTRUCTION.findall(text_of(Path("Dockerfile")).replace("\\\n", " "))


def _last_stage() -> list[tuple[str, str]]:
    instructions = _instructions()
    last = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[last:]


def _queues_of(service: Service) -> list[str]:
    command: list[str] = service["command"]
    return command[command.index("--queues") + 1].split(",") if "--queues" in command else []


# ------------------------------------------------------------------------------- compose


def test_each_queue_has_one_worker_service_of_its_own_but_those_of_one_gpu_share_it() -> None:
    served = [_queues_of(service) for service in _ours().values() if _queues_of(service)]

    local = [Queue.TUNE_LOCAL.value, Queue.EVALUATE_LOCAL.value]
    assert sorted(served) == sorted([local, *([each.value] for each in Queue if each not in local)])


def test_every_service_that_stays_has_a_health_check() -> None:
    checked = {
        name for name, service in _services().items() if "test" in service.get("healthcheck", {})
    }

    assert checked == set(_services()) - ONE_SHOT


def test_the_migration_runs_once_and_everybody_waits_for_it() -> None:
    services = _ours()
    waiting = {
        name
        for name, service in services.items()
        if service.get("depends_on", {}).get("migrate", {}).get("condition")
        == "service_completed_successfully"
    }

    assert services["migrate"]["restart"] == "no"
    assert waiting == set(services) - ONE_SHOT - {"emulator"}


def test_what_must_be_set_is_demanded_and_never_defaulted() -> None:
    text = text_of(Path("docker-compose.yml"))
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?[^}]+\}", text))
    defaulted = set(re.findall(r"\$\{([A-Z_]+):-", text))
    plain = set(re.findall(r"\$\{?([A-Z_]+)\}?(?![:A-Z_])", text)) - demanded - defaulted

    assert demanded == SECRETS
    assert plain == set()


def test_the_example_file_has_every_variable_of_the_containers() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+):", text_of(Path("docker-compose.yml"))))
    passed = set(_compose()["x-tunecurve"]["environment"])
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", text_of(Path(".env.example")), re.MULTILINE))

    assert used <= offered <= used | passed


def test_every_documented_setting_reaches_every_container() -> None:
    documented = {f"TUNECURVE_{name.upper()}" for name in Settings.model_fields}
    for name, service in _ours().items():
        if name != "emulator":
            missing = documented - set(service["environment"])
            assert missing == {"TUNECURVE_DATA_DIR"}, name  # the image says it


def _configured(tmp_path: Path, dotenv: Mapping[str, str]) -> dict[str, Any]:
    """Return the API's environment as docker-compose reads it, with this `.env`."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (Debian has it as a package)")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    given = {**dict.fromkeys(SECRETS, "given"), **dotenv}
    lines = "".join(f"{name}='{value}'\n" for name, value in given.items())
    (tmp_path / ".env").write_text(lines)
    shown = subprocess.run(
        [program, "config"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=True
    )
    services: dict[str, Any] = yaml.safe_load(shown.stdout)["services"]
    environment: dict[str, Any] = services["api"]["environment"]
    return environment


def test_docker_compose_hands_over_what_is_set_and_nothing_else(tmp_path: Path) -> None:
    environment = _configured(tmp_path, {"TUNECURVE_CATALOGUE": "/mine.toml"})

    assert environment["TUNECURVE_CATALOGUE"] == "/mine.toml"
    assert environment.get("TUNECURVE_CACHE_DAYS") is None


def test_a_password_may_hold_any_character(tmp_path: Path) -> None:
    password = "p@ss/w#rd:100%25 $HOME"

    environment = _configured(tmp_path, {"TUNECURVE_POSTGRES_PASSWORD": password})

    url = make_url(environment["TUNECURVE_DATABASE_URL"])
    assert (url.host, url.password) == ("postgres", None)
    assert environment["PGPASSWORD"].replace("$$", "$") == password  # escaped where it is shown


@pytest.mark.parametrize("status", [200, 503])
def test_a_health_check_asks_the_service_and_no_proxy(status: int) -> None:
    commands = [
        service["healthcheck"]["test"][1:] for service in (_ours()["api"], _ours()["emulator"])
    ]
    commands += [
        json.loads(re.findall(r"CMD (\[.*\])", value)[0])
        for word, value in _last_stage()
        if word == "HEALTHCHECK"
    ]

    assert len(commands) == 3
    with _answering(status) as port:
        for _python, *arguments in commands:
            local = [re.sub(r"\b(8765|8099)\b", str(port), each) for each in arguments]
            checked = subprocess.run(
                [sys.executable, *local],
                env={**ENVIRONMENT, "http_proxy": "http://127.0.0.1:9"},
                check=False,
            )
            assert checked.returncode == (0 if status == 200 else 1)


@contextlib.contextmanager
def _answering(status: int) -> Iterator[int]:
    """Yield the port of a server that answers everything with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server.server_port


def test_redis_loses_nothing_at_a_restart_and_drops_nothing_when_full() -> None:
    command: list[str] = _services()["redis"]["command"]

    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert _services()["redis"]["volumes"] == ["redis:/data"]


def test_redis_asks_for_a_password_and_refuses_writes_before_it_is_killed() -> None:
    redis = _services()["redis"]
    command: list[str] = redis["command"]

    assert command[command.index("--requirepass") + 1].startswith("${TUNECURVE_REDIS_PASSWORD:?")
    assert command[command.index("--maxmemory") + 1] == "512mb"
    assert redis["mem_limit"] == "1g"


def test_every_container_has_a_limit_of_memory_and_processes() -> None:
    for name, service in _services().items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
    for name, service in _ours().items():
        assert all(":size=" in folder for folder in service["tmpfs"]), name


def test_what_keeps_data_is_on_networks_without_a_way_out() -> None:
    networks = _compose()["networks"]
    services = _services()

    inner = {name for name, network in networks.items() if network and network["internal"]}
    kept = {name: set(services[name]["networks"]) for name in ("postgres", "redis", "emulator")}

    assert kept == {"postgres": {"database"}, "redis": {"broker"}, "emulator": {"emulator"}}
    assert inner == {"database", "broker", "emulator"}


def test_only_the_api_is_published_and_only_to_this_machine() -> None:
    published = {
        name: service["ports"] for name, service in _services().items() if "ports" in service
    }

    assert set(published) == {"api"}
    assert all(port.startswith("127.0.0.1:") for port in published["api"])


def test_our_containers_can_do_little() -> None:
    for name, service in _ours().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        assert not service.get("privileged"), name


def test_the_emulator_comes_with_the_local_profile_only() -> None:
    profiles = {
        name: service["profiles"] for name, service in _services().items() if "profiles" in service
    }

    assert profiles == {"emulator": ["local"], "worker-local": ["gpu"]}


def test_what_is_kept_lies_in_declared_volumes() -> None:
    mounted = {
        volume.partition(":")[0]
        for service in _services().values()
        for volume in service.get("volumes", [])
    }

    assert mounted == set(_compose()["volumes"])


def test_a_volume_of_ours_is_mounted_where_the_image_made_a_folder() -> None:
    # A new volume takes the owner of the folder it covers; without one it belongs to root.
    owned = re.findall(r"--owner=\d+ --group=\d+ ((?:/\S+ ?)+)", text_of(Path("Dockerfile")))
    made = {path for paths in owned for path in paths.split()}
    mounted = {
        volume.split(":")[1]
        for service in _ours().values()
        for volume in service.get("volumes", [])
    }

    assert mounted - made == set()


CHOSEN = re.compile(r"\$\{(TUNECURVE_\w+_IMAGE):-(.+)\}")


def test_images_are_named_by_version_and_others_can_be_chosen_by_digest() -> None:
    images = [service["image"] for service in _services().values()]
    chosen = dict(CHOSEN.findall("\n".join(images)))
    built = {service["build"]["args"]["PYTHON_IMAGE"] for service in _ours().values()}
    ((_, python),) = [CHOSEN.findall(each)[0] for each in built]

    assert {image for image in images if not image.startswith(IMAGE)} == {
        f"${{{name}:-{image}}}" for name, image in chosen.items()
    }
    assert ("ARG", f"PYTHON_IMAGE={python}") in _instructions()
    assert {value.split()[0] for word, value in _instructions() if word == "FROM"} == {
        "${PYTHON_IMAGE}"
    }
    for image in (*chosen.values(), python):
        assert re.search(r":\d+\.\d+", image), image


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize("answer", [DIGEST, "", "no such image"])
def test_digests_are_written_for_all_images_or_for_none(answer: str, tmp_path: Path) -> None:
    """A registry cannot be asked here: the program that asks it is replaced by its answer."""
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{answer}'\n")
    docker.chmod(0o755)

    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "image_digests.py"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    written = tmp_path / "images.env"
    if answer != DIGEST:
        assert done.returncode == 1
        assert "no digests: " in done.stderr
        assert not written.exists()
        return
    assert done.returncode == 0, done.stderr
    named = dict(line.split("=") for line in written.read_text().splitlines())
    assert set(named) == {f"TUNECURVE_{name}_IMAGE" for name in ("POSTGRES", "PYTHON", "REDIS")}
    assert all(image.endswith(f"@{DIGEST}") for image in named.values())


def test_the_documented_reset_of_keys_runs_in_a_container_that_reaches_the_database() -> None:
    """No container is run here; `tests/api/test_commands.py` runs the command itself."""
    documents = text_of(Path("docs/deployment.md"))
    words = set(re.findall(r"docker-compose run --rm (\S+) (python -m api reset-key)", documents))
    assert words == {("api", "python -m api reset-key")}
    service = _services()["api"]

    assert service["image"].startswith(IMAGE)
    assert "entrypoint" not in service  # so the words are the whole command, as in the image
    assert not [value for word, value in _last_stage() if word == "ENTRYPOINT"]
    assert service["command"][:3] == ["python", "-m", "api"]
    assert "database" in service["networks"]
    assert {"TUNECURVE_DATABASE_URL", "PGPASSWORD"} <= service["environment"].keys()
    assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("profile", [(), ("--profile", "local")])
def test_docker_compose_accepts_the_file(profile: tuple[str, ...]) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (Debian has it as a package)")

    checked = subprocess.run(
        [program, *profile, "config", "-q"],
        cwd=ROOT,
        env={**ENVIRONMENT, **dict.fromkeys(SECRETS, "given")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_docker_compose_refuses_to_start_without_a_secret(missing: str, tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (Debian has it as a package)")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)

    checked = subprocess.run(
        [program, "config", "-q"],
        cwd=tmp_path,
        env={**ENVIRONMENT, **dict.fromkeys(SECRETS - {missing}, "given")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode != 0
    assert ": set " in checked.stderr  # the file's own words say what to set


# ---------------------------------------------------------------------------- Dockerfile


def test_the_image_is_built_in_one_stage_and_runs_in_another() -> None:
    stages = [value for word, value in _instructions() if word == "FROM"]

    assert len(stages) == 2
    assert any(word == "COPY" and "--from=builder" in value for word, value in _last_stage())
    assert not any(word == "RUN" and "pip" in value for word, value in _last_stage())


def test_the_container_does_not_run_as_root() -> None:
    users = [value for word, value in _last_stage() if word == "USER"]

    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignored = text_of(Path(".dockerignore")).splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        source
        for word, value in _instructions()
        if word == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    ]

    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in allowed), source


def test_every_package_that_ships_is_copied() -> None:
    copied = {value.split()[0] for word, value in _instructions() if word == "COPY"}

    assert {"api", "tunecurve", "emulator", "service", "workers"} <= copied


def test_the_dockerfile_is_free_of_known_mistakes() -> None:
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
