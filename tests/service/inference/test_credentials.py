"""Google tokens against a token server on this machine."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from service.inference.generators.vertex import GoogleToken
from service.inference.operations import LoopThread
from service.inference.retry import CallFailed, Refusal


class TokenServer:
    def __init__(self) -> None:
        self.issued = 0
        self.lifetime_seconds = 3600
        self.status = 200
        self.url = ""

    async def issue(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        self.issued += 1
        token = {"access_token": f"token-{self.issued}", "expires_in": self.lifetime_seconds}
        return web.json_response(token, status=self.status)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture
def server(loop: LoopThread) -> Iterator[TokenServer]:
    made = TokenServer()
    app = web.Application()
    app.router.add_post("/token", made.issue)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"

    loop.run(start())
    yield made
    loop.run(runner.cleanup())


@pytest.fixture
def service_account(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TokenServer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key": pem.decode(),
        "client_email": "robot@example.com",
        "token_uri": server.url,
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return server


def test_many_calls_share_one_token(loop: LoopThread, service_account: TokenServer) -> None:
    async def ask_often() -> set[str]:
        token = GoogleToken()
        return set(await asyncio.gather(*(token.get() for _ in range(50))))

    assert loop.run(ask_often()) == {"token-1"}
    assert service_account.issued == 1


def test_a_token_is_renewed_five_minutes_before_its_end(
    loop: LoopThread, service_account: TokenServer
) -> None:
    service_account.lifetime_seconds = 299

    async def ask_twice() -> list[str]:
        token = GoogleToken()
        return [await token.get(), await token.get()]

    assert loop.run(ask_twice()) == ["token-1", "token-2"]


def test_refused_credentials_meet_every_call(
    loop: LoopThread, service_account: TokenServer
) -> None:
    service_account.status = 401
    with pytest.raises(CallFailed) as caught:
        loop.run(GoogleToken().get())
    assert caught.value.kind is Refusal.PERMANENT
    assert caught.value.meets_every_call


def test_missing_credentials_meet_every_call(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(CallFailed, match="no Google credentials"):
        loop.run(GoogleToken().get())
