"""A total deadline for blocking sockets: one thread shuts down every socket whose time is up.

A socket's own timeout starts anew with every byte, so a dripping peer could hold a request for ever.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import threading
import time


class DeadlineWatch:
    """Shuts sockets down at their instant of time.monotonic()."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, socket.socket]] = []
        self._live: set[int] = set()
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def watch(self, connection: socket.socket, deadline: float) -> int:
        """Shut `connection` down at `deadline` unless `forget` is called with the number before."""
        number = next(self._numbers)
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._live.add(number)
            heapq.heappush(self._due, (deadline, number, connection))
            if self._due[0][1] == number:
                self._wake.notify()
        return number

    def forget(self, number: int) -> None:
        """The socket was answered in time."""
        with self._wake:
            self._live.discard(number)

    def _run(self) -> None:
        with self._wake:
            while True:
                while self._due and self._due[0][1] not in self._live:
                    heapq.heappop(self._due)
                if not self._due:
                    self._wake.wait()
                    continue
                left = self._due[0][0] - time.monotonic()
                if left > 0:
                    self._wake.wait(left)
                    continue
                _, number, connection = heapq.heappop(self._due)
                self._live.discard(number)
                with contextlib.suppress(OSError):
                    # An SSLSocket's own shutdown drops its TLS state: what was read next would be octets in the clear.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
