"""Asks the child OPA over its Unix socket, with as little as HTTP/1.1 needs.

The promises are those of `OpaServer`: one total deadline for the whole exchange, a bounded answer, strict reading, one
try; a connection is kept only after a whole answer, and used again only while it is silent. Who listens is checked on
each connection, before a byte is sent.
"""

from __future__ import annotations

import math
import select
import socket
from collections import deque
from collections.abc import Mapping

from entitlements.engine.answer import read_answer_again
from entitlements.engine.child_question import Stale, left, question, too_late
from entitlements.engine.http_answer import Answer, AnswerReader
from entitlements.engine.probe import probed_health
from entitlements.engine.unix_socket import Check, connected
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON, PartHealth, Verdict

_READ_BYTES = 64 * 1024


class ChildClient:
    """The OPA on the Unix socket at `path`, for as many threads as ask.

    check: who may listen there; probe: a decision path that `health` asks with an empty input, for which a policy may
    fail; connections: how many are kept while nothing is asked.
    """

    def __init__(self, path: str, *, check: Check, probe: str, connections: int = 64) -> None:
        self._path = path
        self._check = check
        self._probe = probe
        self._kept = connections
        self._idle: deque[_Connection] = deque()
        self._closed = False

    def ask(self, decision_path: str, policy_input: Mapping[str, JSON], *, deadline: float) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        answer = self._exchange(question(decision_path, policy_input), deadline)
        answer.raise_for_status()
        return read_answer_again(answer.body)

    def health(self) -> PartHealth:
        """Whether a decision can be had, and of which policy revision."""
        return probed_health(self.ask, self._probe)

    def close(self) -> None:
        """Close the connections, those under way as soon as they are answered."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, request: bytes, deadline: float) -> Answer:
        try:
            if (idle := self._take()) is not None:
                try:
                    return self._on(idle, request, deadline)
                except Stale:
                    pass
            new = _Connection(connected(self._path, self._check, left(deadline)))
            return self._on(new, request, deadline)
        except Stale:
            raise EngineUnavailable("engine_unreachable", "the engine closed the connection") from None
        except TimeoutError as error:
            raise too_late() from error
        except OSError as error:
            raise EngineUnavailable("engine_unreachable", "the engine cannot be reached") from error

    def _on(self, connection: _Connection, request: bytes, deadline: float) -> Answer:
        """One question on a connection, kept or closed afterwards. Raises Stale, EngineUnavailable and OSError."""
        try:
            answer = connection.ask(request, deadline)
        except BaseException:
            connection.close()
            raise
        if answer.reusable and len(self._idle) < self._kept:
            self._idle.append(connection)
            if self._closed:
                self.close()
        else:
            connection.close()
        return answer

    def _take(self) -> _Connection | None:
        """The connection that was used last, if it may be used again."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.silent():
                return connection
            connection.close()


class _Connection:
    """A connection that never waits but for the deadline of its question."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)

    def silent(self) -> bool:
        """Whether it is open and nothing has come: what is there already is no answer of the next question."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def ask(self, request: bytes, deadline: float) -> Answer:
        """One question. Raises Stale, EngineUnavailable and OSError; the connection is to be closed then."""
        reader = AnswerReader()
        try:
            self._send(request, deadline)
            while octets := self._receive(deadline):
                if (answer := reader.feed(octets)) is not None:
                    # An answer that comes with the deadline is not taken: the caller has timed out.
                    left(deadline)
                    return answer
        except (BrokenPipeError, ConnectionResetError) as error:
            if reader.begun:
                raise
            raise Stale from error
        if reader.begun:
            raise EngineUnavailable("engine_answer_invalid", "the engine's answer was truncated")
        raise Stale

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _send(self, request: bytes, deadline: float) -> None:
        try:
            sent = self._socket.send(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            # A timeout of `sendall` is one for all that it sends.
            self._socket.settimeout(left(deadline))
            self._socket.sendall(memoryview(request)[sent:])
            self._socket.setblocking(False)

    def _receive(self, deadline: float) -> bytes:
        """What has come, or comes before the deadline; nothing where the peer has closed."""
        while True:
            self._readable.poll(math.ceil(left(deadline) * 1000))
            try:
                return self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                continue
