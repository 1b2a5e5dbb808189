"""A closed loop over loopback: each connection asks again as soon as it is answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_LENGTH = b"content-length:"


class Refused(Exception):
    """An answer was not the expected one: what was measured would be something else."""


@dataclass(frozen=True)
class Measured:
    """One round. Times in seconds, each of one request; elapsed is the round's wall-clock time."""

    times: tuple[float, ...]
    elapsed: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.elapsed

    def quantile(self, part: float) -> float:
        """The time that `part` of the requests did not exceed, in seconds."""
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def http_request(target: str, body: bytes, token: str, host: str) -> bytes:
    """The octets of one POST with a bearer token."""
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def closed_loop(
    address: str, requests: Callable[[], bytes | None], *, wanted: bytes, connections: int, seconds: float
) -> Measured:
    """Ask for `seconds` over kept-alive connections, or until `requests` gives none.

    address: `host:port`; wanted: octets that every 200 answer's body must hold. Raises Refused.
    """
    times: list[list[float]] = [[] for _ in range(connections)]
    failures: list[str] = []
    start = threading.Barrier(connections + 1)

    def loop(mine: list[float]) -> None:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            start.wait(60)
            until = time.perf_counter() + seconds
            while not failures and (request := requests()) is not None:
                began = time.perf_counter()
                if began >= until:
                    return
                connection.sendall(request)
                answer = _answer(connection)
                mine.append(time.perf_counter() - began)
                if not answer.startswith(b"HTTP/1.1 200") or wanted not in answer:
                    failures.append(answer[:300].decode("latin-1"))

    threads = [threading.Thread(target=loop, args=(mine,)) for mine in times]
    for thread in threads:
        thread.start()
    start.wait(60)
    began = time.perf_counter()
    for thread in threads:
        thread.join(600)
    elapsed = time.perf_counter() - began
    if failures:
        raise Refused(failures[0])
    return Measured(tuple(taken for mine in times for taken in mine), elapsed)


def _answer(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection)
    lower = data[:end].lower()
    place = lower.find(_LENGTH)
    if place < 0:
        raise Refused("an answer without a content length")
    length = int(lower[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
    while len(data) < end + 4 + length:
        data += _more(connection)
    return data


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise Refused("the connection was closed")
    return data
