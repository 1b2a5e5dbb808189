"""opa-python-client with its leniencies taken away.

Of its own it retries, follows redirects, trusts proxy variables and netrc, bounds no answer in time or size and reads
answers leniently. Here: one try, one total deadline, no redirect, no environment, and raw bytes for a strict reader.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from opa_client import OpaClient
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from entitlements.engine.deadline import DeadlineWatch
from entitlements.engine.http_answer import MAX_ANSWER, Answer
from entitlements.engine.unix_socket import Check, UnixConnection
from entitlements.errors import EngineUnavailable

_WATCH = DeadlineWatch()
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class _Turn(threading.local):
    """What the calling thread's request may still take, and which sockets are watched for it."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self.watched: list[int] = []


_TURN = _Turn()


def _watch(connection: Any) -> None:
    if connection.sock is not None:
        _TURN.watched.append(_WATCH.watch(connection.sock, _TURN.deadline))


class _WatchedConnection(HTTPConnection):
    def getresponse(self) -> Any:
        _watch(self)
        return super().getresponse()


class _WatchedTlsConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _watch(self)
        return super().getresponse()


class _WatchedUnixConnection(UnixConnection):
    def getresponse(self) -> Any:
        _watch(self)
        return super().getresponse()


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _WatchedUnixPool(HTTPConnectionPool):
    ConnectionCls = _WatchedUnixConnection


class _Session:
    """What the library asks of a session, on one pool of urllib3; each request has its thread's total deadline.

    A session of requests merges environment, cookies and netrc into every request, which costs more than OPA's answer.
    """

    def __init__(self, pool: HTTPConnectionPool, headers: Mapping[str, str]) -> None:
        self._pool = pool
        self._headers = {**headers, "Accept-Encoding": "identity", "Content-Type": "application/json"}

    def post(self, url: str, *, json: Any, timeout: object) -> Answer:
        """Send `json`. The library's own `timeout` has no say. Raises EngineUnavailable and what urllib3 raises."""
        del timeout
        return self._send("POST", url, _ENCODER.encode(json).encode("ascii"))

    def get(self, url: str, *, timeout: object) -> Answer:
        """The same without a body."""
        del timeout
        return self._send("GET", url, None)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _send(self, method: str, url: str, body: bytes | None) -> Answer:
        left = _TURN.deadline - time.monotonic()
        if left <= 0:
            raise EngineUnavailable("engine_timeout", "the time for the decision is spent")
        try:
            response = self._pool.urlopen(
                method,
                "/" + url.partition("://")[2].partition("/")[2],
                body,
                self._headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=left,
                preload_content=False,
                decode_content=False,
            )
            answer = response.read(MAX_ANSWER + 1, decode_content=False)
            if len(answer) > MAX_ANSWER:
                response.close()
                raise EngineUnavailable("engine_answer_invalid", "the engine's answer is too large")
            if response.length_remaining:
                response.close()
                raise _truncated()
            response.release_conn()
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise EngineUnavailable("engine_answer_invalid", "the engine's answer has a content encoding")
        finally:
            while _TURN.watched:
                _WATCH.forget(_TURN.watched.pop())
        return Answer(response.status, answer)


def _truncated() -> EngineUnavailable:
    if time.monotonic() >= _TURN.deadline:
        return EngineUnavailable("engine_timeout", "the engine took too long")
    return EngineUnavailable("engine_answer_invalid", "the engine's answer was truncated")


class StrictOpaClient(OpaClient):  # type: ignore[misc]
    """The library's client on a session of ours. `until` must be called before each request.

    unix: the path of a Unix socket and the check of who listens there; `host`, `port` and `ssl` have no say then.
    """

    def __init__(self, *, connections: int, unix: tuple[str, Check] | None = None, **options: Any) -> None:
        self._connections = connections
        self._unix = unix
        super().__init__(retries=0, **options)

    def _init_session(self) -> _Session:
        return _Session(self._pool(), self.headers or {})

    def _pool(self) -> HTTPConnectionPool:
        if self._unix is not None:
            path, check = self._unix
            return _WatchedUnixPool("localhost", maxsize=self._connections, block=False, path=path, check=check)
        pool = _WatchedTlsPool if self.ssl else _WatchedPool
        return pool(self.host.strip("[]"), self.port, maxsize=self._connections, block=False)

    def until(self, deadline: float) -> None:
        """Set the instant of time.monotonic() at which this thread's next request must have ended."""
        _TURN.deadline = deadline
