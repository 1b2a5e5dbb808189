"""Asks the child OPA over its Unix socket, with as little as HTTP/1.1 needs.

The promises are those of `OpaServer`: one total deadline for the whole exchange, a bounded answer, strict reading, one
try; a connection is kept only after a whole answer, and used only while it is silent. Who listens is checked on each
connection, before a byte is sent.
"""

from __future__ import annotations

import math
import select
import socket
from collections import deque
from collections.abc import Mapping

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine.answer import read_answer_again
from entitlements.engine.child_question import (
    READ_BYTES,
    Stale,
    ended,
    is_silent,
    left,
    opened,
    question,
    take,
    unavailable,
)
from entitlements.engine.http_answer import Answer, AnswerReader
from entitlements.engine.probe import probed_health
from entitlements.engine.unix_socket import Check
from entitlements.model import JSON, PartHealth, Verdict


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

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        answer = self._exchange(question(decision_path, policy_input), deadline)
        answer.raise_for_status()
        return read_answer_again(answer.body, shape)

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
            if (idle := take(self._idle)) is not None:
                try:
                    return self._on(idle, request, deadline)
                except Stale:
                    pass
            new = _Connection(opened(self._path, self._check, left(deadline)))
            return self._on(new, request, deadline)
        except (Stale, OSError) as error:
            raise unavailable(error) from error

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


class _Connection:
    """A connection that never waits but for the deadline of its question."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)

    def silent(self) -> bool:
        """See `is_silent`."""
        return is_silent(self._socket)

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
        raise ended(begun=reader.begun)

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
                return self._socket.recv(READ_BYTES)
            except BlockingIOError:
                continue
