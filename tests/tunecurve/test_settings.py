"""Where the command line finds its server, and what it reads."""

from pathlib import Path

import pytest

from tunecurve.errors import ConfigurationError, UnreachableError
from tunecurve.settings import (
    Server,
    data_folder,
    find_server,
    read_environment,
    server_environment,
)
from tunecurve.stack.state import StackState, make_private_folder, write_state

STACK_URL = "http://127.0.0.1:9999"
# They choose programs, certificates, proxies, or where credentials and rows go.
OF_OTHERS = [
    "LD_PRELOAD",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTPS_PROXY",
    "NO_PROXY",
    "NETRC",
    "PGPASSWORD",
    "PGSERVICEFILE",
    "CELERY_CONFIG_MODULE",
    "UVICORN_HOST",
    "ALEMBIC_CONFIG",
    "HF_ENDPOINT",
    "CLOUDSDK_CONFIG",
    "GCE_METADATA_HOST",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE",
    "GOOGLE_API_CERTIFICATE_CONFIG",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
    "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
]


@pytest.fixture
def stack(tmp_path: Path) -> dict[str, str]:
    """An environment whose data folder says that a stack runs."""
    (tmp_path / "key").write_text("tunecurve_stack\n")
    key_file = str(tmp_path / "key")
    write_state(tmp_path, StackState(STACK_URL, key_file, 1, {}, "unix:///r.sock", None))
    return {"TUNECURVE_DATA_DIR": str(tmp_path)}


def test_the_running_stack_is_found_with_its_key(stack: dict[str, str]) -> None:
    assert find_server(stack) == Server(STACK_URL, "tunecurve_stack")


def test_the_environment_goes_before_the_stack(stack: dict[str, str]) -> None:
    environment = {**stack, "TUNECURVE_URL": "https://t.example", "TUNECURVE_KEY": "tunecurve_env"}
    assert find_server(environment) == Server("https://t.example", "tunecurve_env")


def test_flags_go_before_the_environment(stack: dict[str, str]) -> None:
    environment = {**stack, "TUNECURVE_URL": "https://t.example", "TUNECURVE_KEY": "tunecurve_env"}
    found = find_server(environment, url="https://u.example", key="tunecurve_flag")
    assert found == Server("https://u.example", "tunecurve_flag")


def test_the_stacks_key_is_never_sent_to_another_server(stack: dict[str, str]) -> None:
    assert find_server(stack, url="https://t.example").key is None


def test_a_data_folder_that_is_named_goes_before_a_url_that_is_set(
    stack: dict[str, str], tmp_path: Path
) -> None:
    environment = {"TUNECURVE_URL": "https://t.example"}
    assert find_server(environment, data_dir=tmp_path).url == STACK_URL


def test_without_any_server_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="tunecurve up"):
        find_server({"TUNECURVE_DATA_DIR": str(tmp_path)})


def test_a_key_file_that_is_gone_is_a_configuration_error(
    stack: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "key").unlink()
    with pytest.raises(ConfigurationError, match="--key"):
        find_server(stack)


def test_a_broken_stack_file_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"url": ')
    with pytest.raises(UnreachableError):
        find_server({"TUNECURVE_DATA_DIR": str(tmp_path)})


def test_the_state_of_a_stack_is_for_its_owner_only(stack: dict[str, str], tmp_path: Path) -> None:
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600


def test_the_environment_goes_before_the_settings_file(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text("TUNECURVE_LOCATION=a\nTUNECURVE_STORAGE=gs://b/c\nTUNECURVE_X=\n")
    monkeypatch.setenv("TUNECURVE_LOCATION", "b")
    environment = read_environment()
    assert environment["TUNECURVE_LOCATION"] == "b"
    assert environment["TUNECURVE_STORAGE"] == "gs://b/c"
    assert "TUNECURVE_X" not in environment


def test_the_data_folder_is_absolute(bare: Path) -> None:
    assert data_folder({"TUNECURVE_DATA_DIR": "d"}) == bare / "d"
    assert data_folder({}) == Path("~/.local/share/tunecurve").expanduser()


def test_a_home_folder_that_is_not_known_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="set HOME or TUNECURVE_DATA_DIR"):
        data_folder({"TUNECURVE_DATA_DIR": "~no-such-person/data"})


def test_a_settings_file_gives_our_names_and_googles_and_no_others(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "".join(f"{name}=evil\n" for name in [*OF_OTHERS, "PYTHONPATH", "PATH"])
    (bare / ".env").write_text(f"{evil}TUNECURVE_LOCATION=a\nGOOGLE_CLOUD_PROJECT=p\n")
    monkeypatch.setenv("PATH", "/usr/bin")
    environment = read_environment()

    assert environment["PATH"] == "/usr/bin"
    assert environment["PYTHONPATH"] != "evil"
    assert [name for name in OF_OTHERS if environment.get(name) == "evil"] == []
    assert environment["GOOGLE_CLOUD_PROJECT"] == "p"
    assert environment.from_file >= {"TUNECURVE_LOCATION", "GOOGLE_CLOUD_PROJECT"}


def test_no_key_goes_to_a_server_that_only_a_settings_file_names(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text("TUNECURVE_URL=https://evil.example\n")
    with pytest.raises(ConfigurationError, match="put both there"):
        find_server(read_environment(), key="tunecurve_flag")
    monkeypatch.setenv("TUNECURVE_KEY", "tunecurve_env")
    with pytest.raises(ConfigurationError, match="--url"):
        find_server(read_environment())
    assert find_server(read_environment(), url="https://t.example").key == "tunecurve_env"


def test_a_settings_file_may_name_a_server_with_its_key(bare: Path) -> None:
    (bare / ".env").write_text("TUNECURVE_URL=https://t.example\nTUNECURVE_KEY=tunecurve_file\n")

    assert find_server(read_environment()) == Server("https://t.example", "tunecurve_file")


def test_an_existing_data_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)

    assert make_private_folder(folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("TUNECURVE_REDIS_URL=rediss://evil.example:6379/0", "TUNECURVE_REDIS_PASSWORD"),
        ("TUNECURVE_DATABASE_URL=postgresql://me@evil.example/t", "PGPASSWORD"),
        ("TUNECURVE_DATABASE_URL=postgresql://me@evil.example/t", "PGPASSFILE"),
        ("TUNECURVE_VERTEX_ENDPOINT=https://evil.example", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("STORAGE_EMULATOR_HOST=http://evil.example:1", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("STORAGE_EMULATOR_HOST=evil.example:1", "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_no_secret_goes_to_an_address_that_only_a_settings_file_names(
    bare: Path, monkeypatch: pytest.MonkeyPatch, address: str, secret: str
) -> None:
    (bare / ".env").write_text(f"{address}\n")
    monkeypatch.delenv(secret, raising=False)
    name, _, value = address.partition("=")
    assert server_environment()[name] == value
    monkeypatch.setenv(secret, "hunter2")

    with pytest.raises(ConfigurationError, match="set both in one place") as refused:
        server_environment()
    assert "hunter2" not in str(refused.value)

    assert read_environment()[name] == value  # a client sends none of them
    monkeypatch.setenv(name, value)
    assert server_environment()[secret] == "hunter2"


def test_addresses_of_this_machine_get_what_is_set(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(
        "TUNECURVE_DATABASE_URL=postgresql://me@/t?host=/run/postgresql\n"
        "TUNECURVE_REDIS_URL=unix:///run/redis.sock\nSTORAGE_EMULATOR_HOST=http://localhost:1\n"
    )
    for secret in ("PGPASSWORD", "TUNECURVE_REDIS_PASSWORD", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(secret, "hunter2")

    assert server_environment()["PGPASSWORD"] == "hunter2"


def test_a_settings_file_names_no_code(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".env").write_text("TUNECURVE_METRICS_FOLDER=evil\n")
    with pytest.raises(ConfigurationError, match="would be run"):
        server_environment()

    monkeypatch.setenv("TUNECURVE_METRICS_FOLDER", "mine")
    assert server_environment()["TUNECURVE_METRICS_FOLDER"] == "mine"


@pytest.mark.parametrize("kind", ["external_account", "impersonated_service_account", "new"])
def test_a_settings_file_names_no_credentials_that_send_other_files(
    bare: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    (bare / "google.json").write_text(f'{{"type": "{kind}"}}')
    (bare / ".env").write_text("GOOGLE_APPLICATION_CREDENTIALS=google.json\n")
    with pytest.raises(ConfigurationError, match=kind):
        server_environment()

    (bare / "google.json").write_text('{"type": "service_account"}')
    assert server_environment()["GOOGLE_APPLICATION_CREDENTIALS"] == "google.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "mine.json")
    assert server_environment()["GOOGLE_APPLICATION_CREDENTIALS"] == "mine.json"


@pytest.mark.parametrize("url", [STACK_URL, "https://evil.example"])
def test_a_data_folder_that_a_settings_file_names_gets_no_key_of_another(
    bare: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """What a repository brings along: settings, and a data folder that points to our key."""
    monkeypatch.delenv("TUNECURVE_DATA_DIR")
    (bare / "real").write_text("tunecurve_stored\n")
    (bare / "data").mkdir()
    write_state(bare / "data", StackState(url, str(bare / "real"), 1, {}, "", None))
    (bare / ".env").write_text("TUNECURVE_DATA_DIR=data\n")
    with pytest.raises(ConfigurationError):  # the key of that folder, which it has not
        find_server(read_environment())
    (bare / "data" / "key").symlink_to(bare / "real")
    with pytest.raises(ConfigurationError):
        find_server(read_environment())
    monkeypatch.setenv("TUNECURVE_KEY", "tunecurve_env")
    with pytest.raises(ConfigurationError, match="TUNECURVE_DATA_DIR stands"):
        find_server(read_environment())
