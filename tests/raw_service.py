"""Something that listens where the service should, and answers each request on a connection with octets as told."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DIGEST = "sha256:5e5f73"
ALLOWED: dict[str, Any] = {
    "decision": True,
    "effect": "allow",
    "decision_id": "d-1",
    "reasons": [],
    "obligations": [],
    "contract": {"name": "orders", "version": "1.0.0", "digest": DIGEST},
    "policy": {"revision": DIGEST},
}
DENIED = {**ALLOWED, "decision": False, "effect": "deny", "reasons": ["tenant_mismatch"]}
JSON_TYPE = "Content-Type: application/json"
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n", re.IGNORECASE)
# What answers a request on a connection; it returns False to end the connection.
Script = Callable[[socket.socket, bytes], bool]


def http(body: bytes | dict[str, Any], *headers: str, status: str = "200 OK") -> bytes:
    """An answer with its length."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = "\r\n".join([f"HTTP/1.1 {status}", *(headers or (JSON_TYPE,)), f"Content-Length: {len(octets)}", "", ""])
    return head.encode() + octets


def says(octets: bytes, *, then: bool = True) -> Script:
    """Sends octets. then: keeps the connection open."""

    def answer(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(octets)
        return then

    return answer


class RawService:
    """See the module. tls: its side of TLS, None for plain HTTP."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.by_name = self.url.replace("127.0.0.1", "localhost")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        # Wakes the thread that accepts, as closing alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._tls is not None:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            while (request := _request(connection)) is not None:
                self.requests.append(request)
                if not self.script(connection, request):
                    return


def _request(connection: socket.socket) -> bytes | None:
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + end)
        if end and length and len(body) >= int(length[1]):
            return received
        if not (more := connection.recv(65536)):
            return None
        received += more


@contextmanager
def raw_service(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[RawService]:
    service = RawService(script, tls)
    try:
        yield service
    finally:
        service.close()
