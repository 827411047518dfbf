"""Sending: what is refused before a connection, what is cut, what counts as success."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.clock import utc_now
from service.webhooks.addresses import UrlRules, url_rules
from service.webhooks.ports import SendResult
from service.webhooks.sender import WebhookSender
from tests.service.webhooks.receivers import Reply, dripping, receiving
from tests.support.eventually import PATIENCE_SECONDS

PUBLIC = "93.184.215.14"


class RecordingBackend(httpcore2.SyncBackend):
    """Records every connection attempt, and makes only those to loopback."""

    def __init__(self) -> None:
        self.attempted: list[tuple[str, int]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self.attempted.append((host, port))
        if not ipaddress.ip_address(host).is_loopback:
            raise httpcore2.ConnectError
        return super().connect_tcp(host, port, timeout, local_address, socket_options)


class Names:
    """A resolver with a fixed book; a name with many answers gives one list after the other."""

    def __init__(self, **book: Sequence[Sequence[str]]) -> None:
        self._book = {name: list(answers) for name, answers in book.items()}
        self.attempted: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.attempted.append(host)
        answers = self._book.get(host.partition(".")[0])
        if answers is None:
            return _as_the_system_does(host)
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _as_the_system_does(host: str) -> Sequence[str]:
    """Read numbers in all the ways a C library does; know no names."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return [socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))]


def post(sender: WebhookSender, url: str) -> SendResult:
    return sender.send(url, b"{}", headers={"webhook-id": "m"})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.0.0.1.",
        "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
        "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1",
        "240.0.0.1", "255.255.255.255",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
        "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
        "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[2001:db8::1]",
        "private.example.com", "mapped.example.com", "mixed.example.com", "mixed6.example.com",
        "odd.example.com", "empty.example.com", "absent.example.com",
        "metadata.example.com", "shared.example.com", "linklocal.example.com",
        "unique.example.com", "translated.example.com", "tunnel.example.com",
        "anycast.example.com", "unspecified.example.com",
    ],
)  # fmt: skip
def test_no_connection_is_even_tried_to_an_address_that_is_not_public(host: str) -> None:
    backend = RecordingBackend()
    names = Names(
        private=[["10.0.0.1"]],
        mapped=[["::ffff:10.0.0.1"]],
        mixed=[[PUBLIC, "127.0.0.1"]],
        mixed6=[[PUBLIC, "::1"]],
        odd=[["not an address"]],
        empty=[[]],
        metadata=[["169.254.169.254"]],
        shared=[["100.64.0.1", PUBLIC]],
        linklocal=[["fe80::1%eth0"]],
        unique=[["fd00:ec2::254"]],
        translated=[["64:ff9b::7f00:1"]],
        tunnel=[["2002:7f00:1::"]],
        anycast=[["192.88.99.1"]],
        unspecified=[["0.0.0.0"]],
    )
    with receiving() as bait:
        rules = url_rules(ports=[443, 80, bait.port])
        sender = WebhookSender(rules, resolver=names, backend=backend, overall_seconds=5)
        answer = post(sender, f"http://{host}:{bait.port}/")
    assert answer.error in {"address_not_allowed", "name_not_resolved"}
    assert backend.attempted == []
    assert bait.received == []


def test_a_name_that_changes_is_resolved_once_and_pinned() -> None:
    backend, names = RecordingBackend(), Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    sender = WebhookSender(url_rules(), resolver=names, backend=backend)
    answer = post(sender, "https://rebinding.example.com/")
    assert answer.error == "connection_failed"
    assert names.attempted == ["rebinding.example.com"]
    assert backend.attempted == [(PUBLIC, 443)]


def test_a_name_is_resolved_anew_for_every_attempt() -> None:
    backend, names = RecordingBackend(), Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    sender = WebhookSender(url_rules(), resolver=names, backend=backend)
    answers = [post(sender, "https://rebinding.example.com/").error for _ in range(2)]
    assert answers == ["connection_failed", "address_not_allowed"]
    assert backend.attempted == [(PUBLIC, 443)]


def test_a_closed_port_of_a_public_address_is_not_tried() -> None:
    backend = RecordingBackend()
    sender = WebhookSender(url_rules(), resolver=Names(ssh=[[PUBLIC]]), backend=backend)
    assert post(sender, "https://ssh.example.com:22/").error == "address_not_allowed"
    assert backend.attempted == []


def test_the_next_address_is_tried_when_one_does_not_answer(rules: UrlRules) -> None:
    backend = RecordingBackend()
    names = Names(two=[[PUBLIC, "127.0.0.1"]])
    with receiving() as receiver:
        open_rules = UrlRules(allow_networks=rules.allow_networks, ports=(receiver.port,))
        sender = WebhookSender(open_rules, resolver=names, backend=backend)
        answer = post(sender, f"http://two.example.com:{receiver.port}/")
    assert answer.status == 200
    assert [host for host, _ in backend.attempted] == [PUBLIC, "127.0.0.1"]
    assert receiver.received[0].headers["host"] == f"two.example.com:{receiver.port}"


def test_the_bytes_arrive_as_they_were_signed(sender: WebhookSender) -> None:
    body = '{"name":"café"}'.encode()
    with receiving(Reply(201, b"stored\x00 caf\xc3\xa9 \xff")) as receiver:
        answer = sender.send(receiver.url, body, headers={"webhook-id": "m"})
    assert answer.succeeded
    assert answer.excerpt == "stored café "
    [received] = receiver.received
    assert (received.path, received.body) == ("/hook?from=test", body)
    assert received.headers["webhook-id"] == "m"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["connection"] == "close"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(sender: WebhookSender, status: int) -> None:
    with receiving() as other, receiving(Reply(status, headers={"Location": other.url})) as first:
        answer = post(sender, first.url)
    assert answer.status == status
    assert not answer.succeeded
    assert other.received == []


def test_proxies_of_the_environment_are_not_used(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(sender, receiver.url).succeeded
    assert proxy.received == []


def test_what_a_busy_receiver_asks_for_is_reported(sender: WebhookSender) -> None:
    with receiving(Reply(429, headers={"RETRY-AFTER": "120"})) as receiver:
        assert post(sender, receiver.url).retry_after == "120"


def test_a_huge_answer_is_read_no_further_than_needed(sender: WebhookSender) -> None:
    huge = Reply(200, b"x" * (64 << 20))
    with receiving(huge) as receiver:
        answer = post(sender, receiver.url)
        assert receiver.cut_off.wait(PATIENCE_SECONDS)
    assert answer.succeeded
    assert answer.excerpt == "x" * 512


@pytest.fixture
def hurried(rules: UrlRules) -> WebhookSender:
    return WebhookSender(rules, connect_seconds=1, overall_seconds=0.6)


def test_headers_that_drip_are_cut_at_the_overall_deadline(hurried: WebhookSender) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n", lambda number: b"x-%d: y\r\n" % number) as port:
        answer = post(hurried, f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.error) == (None, "timeout")
    assert answer.latency_ms > 500


def test_a_body_that_drips_is_cut_but_its_status_counts(hurried: WebhookSender) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with dripping(head, lambda _: b"z") as port:
        answer = post(hurried, f"http://127.0.0.1:{port}/")
    assert answer.succeeded
    assert set(answer.excerpt) <= {"z"}
    assert answer.latency_ms > 500


def test_a_resolver_that_hangs_is_cut_at_the_overall_deadline(rules: UrlRules) -> None:
    released = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        released.wait()
        return [PUBLIC]

    sender = WebhookSender(rules, resolver=hang, overall_seconds=0.3)
    answer = post(sender, "https://slow.example.com/")
    released.set()
    assert answer.error == "timeout"


def test_a_receiver_that_is_not_there_or_talks_nonsense_is_distinguished(
    sender: WebhookSender,
) -> None:
    with receiving() as gone:
        pass
    assert post(sender, gone.url).error == "connection_failed"
    with dripping(b"SSH-2.0-OpenSSH\r\n\r\n", lambda _: b"") as port:
        assert post(sender, f"http://127.0.0.1:{port}/").error == "protocol_error"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate of `tls.example.com` in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tls.example.com")])
    names = x509.SubjectAlternativeName([x509.DNSName("tls.example.com")])
    now = utc_now()
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context=context) as receiver:
        yield receiver.port


def test_tls_verifies_the_name_though_the_address_is_pinned(
    tls_port: int, certificate: Path, rules: UrlRules
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    names = Names(tls=[["127.0.0.1"]], other=[["127.0.0.1"]])
    sender = WebhookSender(rules, resolver=names, ssl_context=trusting)
    assert post(sender, f"https://tls.example.com:{tls_port}/").succeeded
    assert post(sender, f"https://other.example.com:{tls_port}/").error == "tls_failed"
    distrusting = WebhookSender(rules, resolver=names)
    assert post(distrusting, f"https://tls.example.com:{tls_port}/").error == "tls_failed"
