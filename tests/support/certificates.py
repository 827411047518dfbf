"""Certificates of an authority of a test's own, and a TLS server before another one."""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.clock import utc_now


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: of an authority, and of a server at 127.0.0.1 that it vouches for."""

    authority: Path
    server: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate of 127.0.0.1, good for an hour."""
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "key.pem")
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _named(f"authority of {folder.name}")
    is_authority = x509.BasicConstraints(ca=True, path_length=None)
    signed = _builder(authority, authority, authority_key.public_key()).add_extension(
        is_authority, critical=True
    )
    found.authority.write_bytes(_pem(signed, authority_key))
    place = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = _builder(_named("server"), authority, key.public_key())
    found.server.write_bytes(_pem(signed.add_extension(place, critical=False), authority_key))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now, hour = utc_now(), timedelta(hours=1)
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - hour, now + hour
    )


def _pem(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextlib.contextmanager
def tls_before(socket_file: Path, certificates: Certificates) -> Iterator[int]:
    """Yield a port at which a server on a unix socket is reached by TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(str(socket_file))
                with context.wrap_socket(self.request, server_side=True) as client:
                    _relay(client, upstream)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _relay(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    while True:
        ready = [client] if client.pending() else select.select([client, upstream], [], [])[0]
        for source in ready:
            piece = source.recv(1 << 16)
            if not piece:
                return
            (upstream if source is client else client).sendall(piece)
