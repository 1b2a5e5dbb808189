"""The client for APIs that work with threads."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from entitlements.client.answers import Answer, BatchAnswer, Malformed, Question, Unavailable
from entitlements.client.asking import (
    MAX_ANSWER,
    MAX_BATCH_ANSWER,
    asker,
    batch_request,
    checked_timeout,
    one_request,
    service_at,
)
from entitlements.client.connection import Connection, Opener, kept, unreachable
from entitlements.client.reading import read_batch, read_one
from entitlements.http_answer import HTTPAnswer, HTTPRefused
from entitlements.model import Proof


class Client:
    """Asks the service at `url`, from any number of threads; keep one for the life of the process.

    audience, contract: by which the API names itself (a batch is asked by the audience); timeout: seconds for all of a
    call, from looking the name up to the last byte; tls: for an authority or a client certificate of one's own, it has
    to check the other side; connections: how many are kept open while nothing is asked.

    A question is asked once. No redirect is followed; no proxy, cookie, `.netrc` or other environment is used.
    Raises ValueError for a URL, a name or a timeout that cannot be used.
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
        service = service_at(url, tls)
        self._asker = asker(service, audience, contract)
        self._timeout = checked_timeout(timeout)
        self._opener = Opener(service)
        self._kept = connections
        self._idle: deque[Connection] = deque()
        self._closed = False

    def authorize(
        self,
        token: str | None,
        action: str | Mapping[str, object],
        resource: Mapping[str, object],
        context: Mapping[str, object] | None = None,
        *,
        proof: Proof | None = None,
        request_id: str = "",
    ) -> Answer:
        """May the holder of `token` do this?

        token: of the API's client, None for none; proof: what the client showed beside it (bound tokens); request_id:
        for the decision log. Raises TypeError and ValueError for members that are not JSON, and nothing else.
        """
        deadline = time.monotonic() + self._timeout
        request = one_request(self._asker, token, Question(action, resource, context or {}), proof, request_id)
        if isinstance(request, Malformed):
            return request
        whole = self._exchange(request, MAX_ANSWER, deadline)
        return whole if isinstance(whole, Unavailable) else read_one(whole, self._asker.contract)

    def authorize_batch(
        self,
        token: str | None,
        questions: Iterable[Question],
        *,
        proof: Proof | None = None,
        request_id: str = "",
    ) -> BatchAnswer:
        """Up to 100 questions by one token, in one call and one budget.

        Raises TypeError and ValueError for members that are not JSON, and ValueError where no audience was named.
        """
        deadline = time.monotonic() + self._timeout
        asked = tuple(questions)
        request = batch_request(self._asker, token, asked, proof, request_id)
        if isinstance(request, Malformed):
            return request
        whole = self._exchange(request, MAX_BATCH_ANSWER, deadline)
        return whole if isinstance(whole, Unavailable) else read_batch(whole, len(asked), self._asker.contract)

    def close(self) -> None:
        """Close the connections, those under way as soon as they are answered."""
        self._closed = True
        # Other threads may take some of them meanwhile.
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, request: bytes, most: int, deadline: float) -> HTTPAnswer | Unavailable:
        try:
            connection = self._take() or self._opener.open(deadline)
            return self._on(connection, request, most, deadline)
        except HTTPRefused as refusal:
            return Unavailable("service_answer_invalid", detail=f"the answer {refusal}")
        except OSError as error:
            return unreachable(error)

    def _on(self, connection: Connection, request: bytes, most: int, deadline: float) -> HTTPAnswer:
        """One question on a connection, kept or closed afterwards. Raises OSError and HTTPRefused."""
        try:
            answer = connection.ask(request, most, deadline)
        except BaseException:
            connection.close()
            raise
        if kept(answer) and len(self._idle) < self._kept:
            self._idle.append(connection)
            if self._closed:
                self.close()
        else:
            connection.close()
        return answer

    def _take(self) -> Connection | None:
        """The connection that was used last, if it may be used again; others are closed. From any thread."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.usable():
                return connection
            connection.close()
