"""The client for APIs that work with an event loop of asyncio, or one like it.

Its promises are those of `Client`: one deadline, strict reading, one try, and a connection is used again only while it
is silent. It needs the standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from entitlements.client.answers import Answer, BatchAnswer, Malformed, Question, Unavailable
from entitlements.client.asking import (
    MAX_ANSWER,
    MAX_BATCH_ANSWER,
    Service,
    asker,
    batch_request,
    checked_timeout,
    one_request,
    service_at,
)
from entitlements.client.connection import IDLE_SECONDS, kept, unreachable
from entitlements.client.reading import read_batch, read_one
from entitlements.http_answer import HTTPAnswer, HTTPReader, HTTPRefused
from entitlements.model import Proof


class AsyncClient:
    """Asks the service at `url`; what it takes and answers is as of `Client`.

    Keep one for each event loop: a connection is used by the loop that opened it alone.
    """

    def __init__(
        self,
        url: str,
        *,
        audience: str = "",
        contract: str = "",
        timeout: float = 1.0,
        tls: ssl.SSLContext | None = None,
        connections: int = 16,
    ) -> None:
        self._service = service_at(url, tls)
        self._asker = asker(self._service, audience, contract)
        self._timeout = checked_timeout(timeout)
        self._kept = connections
        self._idle: deque[_Connection] = deque()
        self._closed = False

    async def authorize(
        self,
        token: str | None,
        action: str | Mapping[str, object],
        resource: Mapping[str, object],
        context: Mapping[str, object] | None = None,
        *,
        proof: Proof | None = None,
        request_id: str = "",
    ) -> Answer:
        """See `Client.authorize`."""
        request = one_request(self._asker, token, Question(action, resource, context or {}), proof, request_id)
        if isinstance(request, Malformed):
            return request
        whole = await self._exchange(request, MAX_ANSWER)
        return whole if isinstance(whole, Unavailable) else read_one(whole, self._asker.contract)

    async def authorize_batch(
        self,
        token: str | None,
        questions: Iterable[Question],
        *,
        proof: Proof | None = None,
        request_id: str = "",
    ) -> BatchAnswer:
        """See `Client.authorize_batch`."""
        asked = tuple(questions)
        request = batch_request(self._asker, token, asked, proof, request_id)
        if isinstance(request, Malformed):
            return request
        whole = await self._exchange(request, MAX_BATCH_ANSWER)
        return whole if isinstance(whole, Unavailable) else read_batch(whole, len(asked), self._asker.contract)

    async def close(self) -> None:
        """Close the connections, those under way as soon as they are answered."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        # The loop ends them in its next turn.
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _exchange(self, request: bytes, most: int) -> HTTPAnswer | Unavailable:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                connection = self._take(loop) or await _opened(self._service, loop, deadline)
                answer = await self._on(connection, request, most)
        except HTTPRefused as refusal:
            return Unavailable("service_answer_invalid", detail=f"the answer {refusal}")
        except OSError as error:
            return unreachable(error)
        # An answer that comes with the deadline is not taken: the caller has timed out.
        return answer if loop.time() < deadline else unreachable(TimeoutError())

    async def _on(self, connection: _Connection, request: bytes, most: int) -> HTTPAnswer:
        """One question on a connection, kept or closed afterwards. Raises OSError and HTTPRefused."""
        try:
            answer = await connection.ask(request, most)
        except BaseException:
            connection.close()
            raise
        if kept(answer) and len(self._idle) < self._kept and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take(self, loop: asyncio.AbstractEventLoop) -> _Connection | None:
        """The connection that was used last, if it may be used again; others are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(loop):
                return connection
            connection.close()
        return None


class _Connection(asyncio.Protocol):
    """A connection whose octets the loop hands to the question that is under way on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._process = os.getpid()
        self._used = loop.time()
        self._reader = HTTPReader(0)
        self._answer: asyncio.Future[HTTPAnswer] | None = None
        self._transport: asyncio.Transport | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._answer is None or self._answer.done():
            # Nothing was asked: whatever it is, it is no answer.
            self.close()
            return
        try:
            answer = self._reader.feed(data)
        except HTTPRefused as refusal:
            self._answer.set_exception(refusal)
            return
        if answer is not None:
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._over = True
        if self._answer is not None and not self._answer.done():
            truncated = "the answer was truncated" if self._reader.begun else "the service closed the connection"
            self._answer.set_exception(ConnectionError(truncated))

    def usable(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it may carry another question; see `Connection.usable` of the other client."""
        if self._over or self._transport is None or self._transport.is_closing():
            return False
        if loop is not self._loop or self._process != os.getpid() or loop.time() - self._used > IDLE_SECONDS:
            return False
        # What has come and the loop has not read yet would be taken for the next answer.
        ready = select.poll()
        ready.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not ready.poll(0)

    async def ask(self, request: bytes, most: int) -> HTTPAnswer:
        """One question. Raises OSError and HTTPRefused; close it then."""
        if self._transport is None or self._over:
            raise ConnectionError
        self._reader = HTTPReader(most)
        self._answer = self._loop.create_future()
        try:
            self._transport.write(request)
            answer = await self._answer
        finally:
            self._answer = None
        self._used = self._loop.time()
        return answer

    def close(self) -> None:
        """Close it."""
        self._over = True
        if self._transport is not None:
            # A loop that has ended holds no connection any more.
            with contextlib.suppress(RuntimeError):
                self._transport.abort()


async def _opened(service: Service, loop: asyncio.AbstractEventLoop, deadline: float) -> _Connection:
    """A connection, by TLS where the service is asked so. Raises OSError."""
    addresses = await loop.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    for place, (family, _, _, _, address) in enumerate(addresses):
        # One address that swallows everything leaves time for the others.
        share = loop.time() + (deadline - loop.time()) / (len(addresses) - place)
        try:
            async with asyncio.timeout_at(share):
                return await _connected(service, loop, family, address)
        except ssl.SSLError:
            raise
        except OSError:
            if place == len(addresses) - 1:
                raise
    raise ConnectionError("the name of the service has no address")


async def _connected(
    service: Service, loop: asyncio.AbstractEventLoop, family: int, address: tuple[Any, ...]
) -> _Connection:
    _, connection = await loop.create_connection(
        lambda: _Connection(loop),
        str(address[0]),
        service.port,
        family=family,
        ssl=service.tls,
        server_hostname=None if service.tls is None else service.host,
    )
    return connection
