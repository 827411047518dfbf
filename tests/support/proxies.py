"""nginx and Caddy with the example configurations, on a loopback port with a certificate."""

import contextlib
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.clock import utc_now
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.ports import reserved_port
from tests.support.processes import ROOT

PROXIES = ("nginx", "caddy")
_EXAMPLES = ROOT / "examples" / "proxies"
_NGINX = """
user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
_CADDY = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"


@dataclass(frozen=True)
class Proxy:
    port: int
    trusted: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def start_proxy(name: str, folder: Path, *, upstream: str) -> Iterator[Proxy]:
    """Yield the proxy before `upstream`, a host and port; skips where it is not installed."""
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed (Debian has it as a package)")
    folder.mkdir()
    certificate, key = _write_certificate(folder)
    with reserved_port() as port:
        command = [program, *_configured(name, folder, port, upstream, certificate, key)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=folder, env={"HOME": str(folder)}, stdout=log, stderr=log
            )
        try:
            eventually(
                lambda: _listens(port) or process.poll() is not None,
                what=f"{name} does not listen: {folder}/log",
            )
            assert process.poll() is None, (folder / "log").read_text()
            yield Proxy(port, ssl.create_default_context(cafile=str(certificate)))
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _configured(
    name: str, folder: Path, port: int, upstream: str, certificate: Path, key: Path
) -> list[str]:
    example = _EXAMPLES / {"nginx": "nginx.conf", "caddy": "Caddyfile"}[name]
    site = (
        example.read_text()
        .replace("127.0.0.1:8765", upstream)
        .replace("/etc/ssl/tunecurve/certificate.pem", str(certificate))
        .replace("/etc/ssl/tunecurve/key.pem", str(key))
    )
    if name == "nginx":
        site = site.replace("tunecurve.example.com", "localhost").replace("443", str(port))
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
        return [
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
    site = site.replace("tunecurve.example.com", f"https://localhost:{port}")
    (folder / "Caddyfile").write_text(_CADDY + site)
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
