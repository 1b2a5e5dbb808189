"""One exchange over HTTP, bounded in time and size, for whatever is asked of an issuer.

The library's time limits are per read, so that a server that drips a byte at a time is never too slow for them. Here
one deadline covers the whole exchange: when it passes, the socket is shut.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from entitlements.errors import EntitlementsError

_CHUNK = 8192
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "entitlements"}


class NotAnswered(Exception):
    """There is no answer, with the cause: it took too long, or what the library raised."""


class AnswerRefused(Exception):
    """An answer is not read, with the reason as what is said of it: `came with a content coding`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. content_type: the media type in lower case, without parameters."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """How an address is asked.

    timeout: seconds for everything from the name look-up's end to the last byte; max_bytes: the largest body; ca_file:
    PEM file of the only trusted roots, None for the default ones; certificate: files of our own certificate and its
    key, None for none; connected: is told the IP address of the other side before anything is sent to it, and may raise
    an EntitlementsError; with_body: the statuses whose body is read.
    """

    timeout: float
    max_bytes: int
    ca_file: str | None = None
    certificate: tuple[str, str] | None = None
    connected: Callable[[str], None] | None = None
    with_body: Container[int] = (200,)

    def send(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> Answer:
        """Ask once.

        No redirect is followed, no proxy, cookie, netrc or other environment is used, no content coding is accepted; a
        body is whole: its length was announced and reached, or its last chunk was seen.
        Raises NotAnswered and AnswerRefused, which quote nothing of question and answer, and what `connected` raises.
        """
        deadline = time.monotonic() + self.timeout
        adapter = _ShutAtDeadline(self.connected)
        timer = threading.Timer(self.timeout, adapter.shut)
        timer.daemon = True
        timer.start()
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.mount("https://", adapter)
                session.mount("http://", adapter)
                with session.request(
                    method,
                    url,
                    data=None if form is None else dict(form),
                    headers={**_HEADERS, **headers},
                    timeout=(self.timeout, self.timeout),
                    allow_redirects=False,
                    stream=True,
                    verify=self.ca_file or True,
                    cert=self.certificate,
                    proxies={},
                ) as answer:
                    return self._read(answer, deadline)
        except (NotAnswered, AnswerRefused, EntitlementsError):
            raise
        except (
            Exception
        ) as error:  # the trust boundary: whatever a hostile answer makes the library raise is a failed exchange
            late = time.monotonic() >= deadline
            raise NotAnswered("it did not answer in time" if late else type(error).__name__) from None
        finally:
            timer.cancel()
            adapter.release()

    def _read(self, answer: requests.Response, deadline: float) -> Answer:
        _check_time(deadline)  # a head that was truncated at the deadline looks like a whole one
        body = self._body(answer, deadline) if answer.status_code in self.with_body else b""
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(answer.status_code, kind, body)

    def _body(self, answer: requests.Response, deadline: float) -> bytes:
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise AnswerRefused("came with a content coding")
        self._check_framing(answer)
        body = bytearray()
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > self.max_bytes:
                raise AnswerRefused(f"is larger than {self.max_bytes} bytes")
            if time.monotonic() >= deadline:
                break
        # Also after the last byte: a socket shut at the deadline looks like an end of the body.
        _check_time(deadline)
        return bytes(body)

    def _check_framing(self, answer: requests.Response) -> None:
        """Only a body that says where it ends can be known to be whole (RFC 9112 section 6.3, items 4, 6 and 8)."""
        length, coding = answer.headers.get("Content-Length"), answer.headers.get("Transfer-Encoding")
        if (length is None) == (coding is None):
            raise AnswerRefused("came without one way to tell its end, a length or chunks")
        if coding is not None and coding.strip().lower() != "chunked":
            raise AnswerRefused("came with a transfer coding that is not `chunked`")
        fits = length is None or (length.strip().isdecimal() and len(length) <= 15 and int(length) <= self.max_bytes)
        if not fits:
            raise AnswerRefused(f"has a length that is malformed or beyond {self.max_bytes} bytes")


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise NotAnswered("it did not answer in time")


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
        except EntitlementsError:
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
