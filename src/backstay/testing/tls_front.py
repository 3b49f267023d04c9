"""TLS before a server that has none, and the throw-away certificate that it takes."""

from __future__ import annotations

import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

from .faults import FaultProxy
from .servers import MissingServer, run_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A self-signed certificate for ``localhost`` and ``127.0.0.1``; it is its own authority."""

    certificate: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts this certificate and nothing else, and checks host names."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def server_context(self) -> ssl.SSLContext:
        """A context that answers with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(directory: Path) -> Certificate:
    """Make one in `directory` with the ``openssl`` program. Raises `MissingServer` where there is none."""
    if (openssl := shutil.which("openssl")) is None:
        raise MissingServer("a certificate for TLS tests takes the openssl program: apt-get install openssl")
    made = Certificate(certificate=directory / "tls.crt", key=directory / "tls.key")
    request = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    output = ["-keyout", str(made.key), "-out", str(made.certificate)]
    run_tool([openssl, *request, *names, *output], cwd=directory)
    return made


class TlsFront(FaultProxy):
    """A proxy that speaks TLS to clients and plain TCP to the server; it can do every fault besides."""

    def __init__(self, target_port: int, certificate: Certificate) -> None:
        """Stand before 127.0.0.1 at `target_port`. Use it as a context manager."""
        super().__init__(target_port, tls=certificate.server_context())
