"""The emulator asks for no key: it answers its own user's programs, and no web page."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from emulator import socket_owners
from emulator.connections import own_hosts
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess, start_emulator

NOBODY = 65534
ASK = """
import sys, urllib.request
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1]).status)
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with start_emulator(tmp_path_factory.mktemp("emulator") / "state") as started:
        yield started


def _asked_as(user: int, url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/usr/bin/env", "python3", "-c", ASK, f"{url}/_emulator/ledger"],
        user=user,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root of Linux acts as another user"
)
def test_another_user_of_the_machine_is_refused(emulator: EmulatorProcess) -> None:
    assert _asked_as(os.getuid(), emulator.url).stdout == "200\n"

    refused = _asked_as(NOBODY, emulator.url)

    assert refused.returncode != 0
    assert "403" in refused.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says whose a socket is")
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_kernel_and_tables_say_alike_whose_a_socket_is(
    family: socket.AddressFamily, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((host, 0), family=family) as listener:
        with socket.create_connection(listener.getsockname()[:2]):
            connection, _ = listener.accept()
            asked = socket_owners.peer_uids(connection)
            monkeypatch.setattr(socket_owners, "_SOCK_DIAG", -1)  # a kernel without it
            listed = socket_owners.peer_uids(connection)

        assert asked == listed == {os.getuid()}
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_a_web_page_makes_a_browser_send_is_refused(
    emulator: EmulatorProcess, headers: dict[str, str]
) -> None:
    answer = plain_http.post(
        f"{emulator.url}/_emulator/config",
        content=b'{"seed": 7}',
        headers={"Content-Type": "text/plain", **headers},
        trust_env=False,
        timeout=300,
    )

    assert answer.status_code == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
    settings = plain_http.get(
        f"{emulator.url}/_emulator/config", trust_env=False, timeout=300
    ).json()
    assert settings["seed"] == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_it_goes_by_the_names_of_this_machine(emulator: EmulatorProcess, host: str) -> None:
    port = httpx2.URL(emulator.url).port
    answer = plain_http.get(
        f"{emulator.url}/_emulator/healthz",
        headers={"Host": f"{host}:{port}"},
        trust_env=False,
        timeout=300,
    )

    assert answer.status_code == 200


def test_one_that_serves_other_machines_goes_by_any_name() -> None:
    assert own_hosts("0.0.0.0") == frozenset()
    assert "localhost" in own_hosts("127.0.0.1")


def test_its_files_are_for_its_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with start_emulator(tmp_path / "state") as started:
            plain_http.post(
                f"{started.url}/upload/storage/v1/b/b/o?uploadType=media&name=a",
                content=b"personal",
                trust_env=False,
                timeout=300,
            )
            files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
            modes = {path.stat().st_mode & 0o077 for path in files}
    finally:
        os.umask(before)

    assert modes == {0}
