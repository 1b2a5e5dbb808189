"""One fetch of a key set or of metadata over HTTP, bounded in time and size.

The library's time limits are per read, so that a server that drips a byte at a time is never too slow for them. Here
one deadline covers the whole exchange: when it passes, the socket is shut.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from entitlements.errors import KeysUnavailable, StartupFault

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_CHUNK = 8192
_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "entitlements",
}


def check_url(url: str) -> str:
    """The address of a key set, or another one that is asked, as given. Raises StartupFault key_source_invalid.

    Only `https://`, or `http://` on a loopback host; no user, no fragment (RFC 8414 section 2, `jwks_uri`).
    """
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and parts.username is None and not parts.fragment and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or any(letter.isspace() for letter in url):
        raise StartupFault("key_source_invalid", "the address is malformed")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        raise StartupFault("key_source_invalid", "the address must begin with `https://`")
    return url


def fetch(
    url: str,
    *,
    timeout: float,
    max_bytes: int,
    ca_file: str | None,
    connected: Callable[[str], None] | None = None,
    what: str = "the key set",
) -> bytes:
    """Fetch `url` once.

    timeout: seconds for everything from the name look-up's end to the last byte; max_bytes: the largest body;
    ca_file: PEM file of the only trusted roots, None for the default ones; connected: is told the IP address of the
    other side before anything is sent to it, and may raise KeysUnavailable; what: what is fetched, for messages.
    No redirect is followed, no proxy, cookie, netrc or other environment is used, no content coding is accepted.
    What is returned is a whole body: its length was announced and reached, or its last chunk was seen.
    Raises KeysUnavailable keys_fetch_failed; the message never quotes what the server sent.
    """
    deadline = time.monotonic() + timeout
    adapter = _ShutAtDeadline(connected)
    timer = threading.Timer(timeout, adapter.shut)
    timer.daemon = True
    timer.start()
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            with session.get(
                url,
                headers=_HEADERS,
                timeout=(timeout, timeout),
                allow_redirects=False,
                stream=True,
                verify=ca_file or True,
                proxies={},
            ) as answer:
                return _body(answer, max_bytes, deadline, what)
    except KeysUnavailable:
        raise
    except (
        Exception
    ) as error:  # the trust boundary: whatever a hostile answer makes the library raise is a failed fetch
        cause = "it did not answer in time" if time.monotonic() >= deadline else f"{type(error).__name__}"
        raise _failed(f"{what} cannot be fetched: {cause}") from None
    finally:
        timer.cancel()
        adapter.release()


def _body(answer: requests.Response, max_bytes: int, deadline: float, what: str) -> bytes:
    _check_time(deadline, what)  # a head that was cut short at the deadline looks like a whole one
    if answer.status_code != 200:
        raise _failed(f"the address of {what} answered {answer.status_code}")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _failed(f"{what} came with a content coding")
    _check_framing(answer, max_bytes, what)
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise _failed(f"{what} is larger than {max_bytes} bytes")
        if time.monotonic() >= deadline:
            break
    # Also after the last byte: a socket shut at the deadline looks like an end of the body.
    _check_time(deadline, what)
    return bytes(body)


def _check_time(deadline: float, what: str) -> None:
    if time.monotonic() >= deadline:
        raise _failed(f"{what} cannot be fetched: it did not answer in time")


def _check_framing(answer: requests.Response, max_bytes: int, what: str) -> None:
    """Only a body that says where it ends can be known to be whole (RFC 9112 section 6.3, items 4, 6 and 8)."""
    length, coding = answer.headers.get("Content-Length"), answer.headers.get("Transfer-Encoding")
    if (length is None) == (coding is None):
        raise _failed(f"{what} came without one way to tell its end, a length or chunks")
    if coding is not None and coding.strip().lower() != "chunked":
        raise _failed(f"{what} came with a transfer coding that is not `chunked`")
    if length is not None and not (length.strip().isdecimal() and len(length) <= 15 and int(length) <= max_bytes):
        raise _failed(f"the length of {what} is malformed or beyond {max_bytes} bytes")


def _failed(message: str) -> KeysUnavailable:
    return KeysUnavailable("keys_fetch_failed", message)


class _ShutAtDeadline(HTTPAdapter):
    """Knows the sockets of its connections, to wake a thread that is blocked in one of them."""

    def __init__(self, connected: Callable[[str], None] | None = None) -> None:
        self._connected = connected
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._over = False

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> Any:
        # Any: the pool is a type of a library that is not named here.
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        plain = pool.ConnectionCls
        adapter = self

        def connect(connection: Any) -> None:
            plain.connect(connection)
            adapter._watch(connection.sock)

        def new_conn(connection: Any) -> socket.socket:
            # Before TLS: what must not be asked is not greeted either.
            connected: socket.socket = plain._new_conn(connection)
            adapter._check_peer(connected)
            return connected

        pool.ConnectionCls = type("WatchedConnection", (plain,), {"connect": connect, "_new_conn": new_conn})
        return pool

    def _check_peer(self, connected: socket.socket) -> None:
        if self._connected is None:
            return
        try:
            self._connected(str(connected.getpeername()[0]))
        except KeysUnavailable:
            connected.close()
            raise

    def _watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._sockets.append(connected)
            over = self._over
        if over:
            self.shut()

    def release(self) -> None:
        """Give every socket back: an answer that the library refused half-read would keep its own open."""
        with self._lock:
            for connected in self._sockets:
                descriptor = connected.detach()
                if descriptor >= 0:
                    os.close(descriptor)
            self._sockets.clear()

    def shut(self) -> None:
        """Shut every socket, now and from now on."""
        with self._lock:
            self._over = True
            sockets = list(self._sockets)
        for connected in sockets:
            with contextlib.suppress(OSError):
                # Past a TLS layer: its own shutdown is not safe beside a thread that reads.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


ShutAtDeadline = _ShutAtDeadline
