"""A server of an issuer on loopback, plain or by TLS, that answers as it is told and keeps what it was asked."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


@dataclass(frozen=True)
class Asked:
    """One question as it came; `form`: the members of its body."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


def answered(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Answers with octets, their length, and headers by name with `_` for `-`; an empty value takes a header away."""

    def answer(request: Handler) -> None:
        request.send_response(status)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | told).items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


class LoopbackServer:
    """See the module. path: of its address; tls: None for plain http."""

    def __init__(self, path: str, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.questions: list[Asked] = []
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.origin = f"{'https' if tls else 'http'}://localhost:{self.port}"
        self.url = self.origin + path
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that refuses the certificate, or shows none, is no fault."""


def _handler(server: LoopbackServer) -> type[Handler]:
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.questions.append(Asked(self.command, self.path, headers, form))
            # A client that has had enough hangs up.
            try:
                server.answer(self)
            except OSError:
                self.close_connection = True

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Answering


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Files of a certificate that vouches for itself, and of its key (mode 0600)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{host}.pem", folder / f"{host}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def server_side(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """The certificate of a server for `host`, and its side of TLS with it."""
    public, private = certificate(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def sockets_to(port: int) -> int:
    """How many sockets of this process, whatever their state, have a port of loopback at their other end."""
    ours = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            ours.add(descriptor.readlink().name)
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(fields[2].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in ours for fields in lines)
