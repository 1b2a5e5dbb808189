"""A connection to the service that waits for nothing but its deadline: connecting, TLS, sending and reading alike.

A socket's own timeout begins anew with each byte, so that a server that drips is never too slow for it.
"""

from __future__ import annotations

import math
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from entitlements.client.answers import Unavailable
from entitlements.client.asking import Service
from entitlements.http_answer import HTTPAnswer, HTTPReader

READ_BYTES = 64 * 1024
# Less than servers and balancers keep a connection open: one that they are about to close is not used.
IDLE_SECONDS = 15.0
# After these the other side has read the whole request and will read another one.
_KEPT = frozenset({200, 400, 401, 503})
_Done = TypeVar("_Done")
_Address = tuple[Any, ...]


class Connection:
    """An open connection, for one thread at a time and the process that opened it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._process = os.getpid()
        self._used = time.monotonic()

    def usable(self) -> bool:
        """Whether it may carry another question.

        Not that of another process: after a fork two would read each other's answers. Not one on which something came
        while nothing was asked: it would be taken for the next answer.
        """
        if self._process != os.getpid() or time.monotonic() - self._used > IDLE_SECONDS:
            return False
        try:
            # Of TLS it reads what is no data, too: a ticket for later is not an answer.
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def ask(self, request: bytes, most: int, deadline: float) -> HTTPAnswer:
        """One question. Raises OSError (TimeoutError with the deadline) and HTTPRefused; close it then."""
        self._send(memoryview(request), deadline)
        reader = HTTPReader(most)
        while octets := until(self._socket, lambda: self._socket.recv(READ_BYTES), select.POLLIN, deadline):
            if (answer := reader.feed(octets)) is not None:
                # An answer that comes with the deadline is not taken: the caller has timed out.
                left(deadline)
                self._used = time.monotonic()
                return answer
        raise ConnectionError("the answer was truncated" if reader.begun else "the service closed the connection")

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _send(self, rest: memoryview, deadline: float) -> None:
        while rest:
            sent = until(self._socket, lambda: self._socket.send(rest), select.POLLOUT, deadline)  # noqa: B023
            rest = rest[sent:]


class Opener:
    """Opens connections to one service, whose name is looked up at most once at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lookup: _Lookup | None = None

    def open(self, deadline: float) -> Connection:
        """A connection, by TLS where the service is asked so. Raises OSError."""
        addresses = self._addresses(deadline)
        for place, (family, address) in enumerate(addresses):
            # One address that swallows everything leaves time for the others.
            share = time.monotonic() + left(deadline) / (len(addresses) - place)
            try:
                return self._connected(family, address, deadline if share > deadline else share, deadline)
            except ssl.SSLError:
                raise
            except OSError:
                if place == len(addresses) - 1:
                    raise
        raise ConnectionError("the name of the service has no address")

    def _connected(self, family: int, address: _Address, share: float, deadline: float) -> Connection:
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(left(share))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setblocking(False)
            if self._service.tls is not None:
                opened = self._secured(opened, self._service.tls, deadline)
        except BaseException:
            opened.close()
            raise
        return Connection(opened)

    def _secured(self, opened: socket.socket, tls: ssl.SSLContext, deadline: float) -> ssl.SSLSocket:
        secured = tls.wrap_socket(opened, server_hostname=self._service.host, do_handshake_on_connect=False)
        try:
            until(secured, secured.do_handshake, select.POLLIN, deadline)
        except BaseException:
            secured.close()
            raise
        return secured

    def _addresses(self, deadline: float) -> list[tuple[int, _Address]]:
        try:
            return _addresses_of(self._service, socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        lookup = self._lookup
        if lookup is None or lookup.over.is_set() or lookup.process != os.getpid():
            lookup = self._lookup = _Lookup(self._service)
        return lookup.found(deadline)


class _Lookup:
    """A look-up of a name, which no timeout ends: whoever waits for it leaves with the deadline."""

    def __init__(self, service: Service) -> None:
        self.over = threading.Event()
        self.process = os.getpid()
        self._found: list[tuple[int, _Address]] = []
        threading.Thread(target=self._run, args=(service,), name="name look-up", daemon=True).start()

    def found(self, deadline: float) -> list[tuple[int, _Address]]:
        """Raises OSError."""
        if not self.over.wait(left(deadline)):
            raise TimeoutError
        if not self._found:
            raise ConnectionError("the name of the service is not found")
        return self._found

    def _run(self, service: Service) -> None:
        try:
            self._found = _addresses_of(service, 0)
        except (OSError, UnicodeError):
            pass
        finally:
            self.over.set()


def _addresses_of(service: Service, flags: int) -> list[tuple[int, _Address]]:
    found = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def until(connected: socket.socket, operation: Callable[[], _Done], event: int, deadline: float) -> _Done:
    """What `operation` gives on a socket that does not block, as soon as it can. Raises OSError."""
    while True:
        try:
            return operation()
        except ssl.SSLWantReadError:
            event = select.POLLIN
        except ssl.SSLWantWriteError:
            event = select.POLLOUT
        except BlockingIOError:
            pass
        ready = select.poll()
        ready.register(connected, event)
        ready.poll(math.ceil(left(deadline) * 1000))


def left(deadline: float) -> float:
    """The seconds until `deadline`. Raises TimeoutError where there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def kept(answer: HTTPAnswer) -> bool:
    """Whether the connection may carry another question after this answer."""
    return answer.head.status in _KEPT and not answer.head.closes


def unreachable(error: OSError) -> Unavailable:
    """Why there is no answer, in our own words."""
    if isinstance(error, TimeoutError):
        return Unavailable("service_timeout", detail="the service did not answer in time")
    if isinstance(error, ssl.SSLError):
        return Unavailable("service_unreachable", detail="TLS with the service failed, see its certificate")
    return Unavailable("service_unreachable", detail=f"the service cannot be reached ({type(error).__name__})")
