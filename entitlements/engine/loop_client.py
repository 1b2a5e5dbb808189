"""Asks the child OPA from an event loop: no thread is spent on a question, and nothing here waits but the loop.

The promises are those of `ChildClient`: one total deadline, a bounded answer, strict reading, one try; a connection is
kept only after a whole answer and used only while it is silent; who listens is checked on each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
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
    too_late,
    unavailable,
)
from entitlements.engine.http_answer import Answer, AnswerReader
from entitlements.engine.unix_socket import Check
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON, Verdict


class LoopClient:
    """The OPA on the Unix socket at `path`, for the one event loop that asks.

    check: who may listen there; connections: how many are kept while nothing is asked.
    """

    def __init__(self, path: str, *, check: Check, connections: int = 64) -> None:
        self._path = path
        self._check = check
        self._kept = connections
        self._idle: deque[_Connection] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        answer = await self._exchange(question(decision_path, policy_input), deadline)
        answer.raise_for_status()
        return read_answer_again(answer.body, shape)

    def close(self) -> None:
        """Close the connections, those under way as soon as they are answered. From any thread."""
        self._closed = True
        if self._loop is not None:
            # A loop that has ended holds no connection any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._close_idle)

    async def _exchange(self, request: bytes, deadline: float) -> Answer:
        self._loop = loop = asyncio.get_running_loop()
        try:
            if (idle := take(self._idle)) is not None:
                try:
                    return await self._on(idle, request, deadline)
                except Stale:
                    pass
            left(deadline)
            # A Unix socket takes a connection at once, or its queue is full.
            new = _Connection(opened(self._path, self._check, 0.0), loop)
            return await self._on(new, request, deadline)
        except (Stale, OSError) as error:
            raise unavailable(error) from error

    async def _on(self, connection: _Connection, request: bytes, deadline: float) -> Answer:
        """One question on a connection, kept or closed afterwards. Raises Stale, EngineUnavailable and OSError."""
        try:
            answer = await connection.ask(request, deadline)
        except BaseException:
            connection.close()
            raise
        if answer.reusable and len(self._idle) < self._kept and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Connection:
    """A connection whose octets the loop hands to the question that is under way on it."""

    def __init__(self, connection: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = connection
        self._loop = loop
        self._reader = AnswerReader()
        self._answer: asyncio.Future[Answer] | None = None
        loop.add_reader(connection.fileno(), self._readable)

    def silent(self) -> bool:
        """See `is_silent`."""
        return is_silent(self._socket)

    async def ask(self, request: bytes, deadline: float) -> Answer:
        """One question. Raises Stale, EngineUnavailable and OSError; the connection is to be closed then."""
        self._reader = AnswerReader()
        self._answer = future = self._loop.create_future()
        expiry = self._loop.call_later(left(deadline), self._expire)
        try:
            await self._send(request, deadline)
            answer: Answer = await future
        except (BrokenPipeError, ConnectionResetError) as error:
            if self._reader.begun:
                raise
            raise Stale from error
        finally:
            expiry.cancel()
            self._answer = None
            if not future.cancel() and not future.cancelled():
                # Seen, also where the question could not be sent and no one waited for it.
                future.exception()
        # An answer that comes with the deadline is not taken: the caller has timed out.
        left(deadline)
        return answer

    def close(self) -> None:
        """Close it."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    async def _send(self, request: bytes, deadline: float) -> None:
        try:
            sent = self._socket.send(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            async with asyncio.timeout(left(deadline)):
                await self._loop.sock_sendall(self._socket, memoryview(request)[sent:])

    def _readable(self) -> None:
        """Octets have come, or the end."""
        if self._answer is None or self._answer.done():
            # Nothing was asked: whatever it is, it is no answer.
            self.close()
            return
        try:
            octets = self._socket.recv(READ_BYTES)
            if not octets:
                raise ended(begun=self._reader.begun)
            answer = self._reader.feed(octets)
        except BlockingIOError:
            return
        except (Stale, EngineUnavailable, OSError) as error:
            self._fail(error)
            return
        if answer is not None:
            self._answer.set_result(answer)

    def _expire(self) -> None:
        self._fail(too_late())

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
