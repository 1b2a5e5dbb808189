"""opa-python-client with its leniencies taken away.

Of its own it retries, follows redirects, trusts proxy variables and netrc, bounds no answer in time or size and reads
answers leniently. Here: one try, one total deadline, no redirect, no environment, and raw bytes for a strict reader.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import requests
from opa_client import OpaClient
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from entitlements.engine.deadline import DeadlineWatch
from entitlements.errors import EngineUnavailable

MAX_ANSWER = 256 * 1024
_WATCH = DeadlineWatch()


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


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTlsPool}


class Answer:
    """A bounded answer: its status and raw bytes, not yet believed."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self.body = body

    def raise_for_status(self) -> None:
        """Every status but 200 is no verdict. Raises EngineUnavailable."""
        if self.status_code != 200:
            failed = self.status_code == 500 and b'"internal_error"' in self.body
            code = "policy_error" if failed else "engine_answer_invalid"
            raise EngineUnavailable(code, f"the engine answered with status {self.status_code}")

    def json(self) -> bytes:
        """The bytes: to read them is the strict reader's business."""
        return self.body


class _Session(requests.Session):
    """One pool; each request has a total deadline, kept in its thread."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self.trust_env = False
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def send(self, request: requests.PreparedRequest, **_: Any) -> Any:
        left = _TURN.deadline - time.monotonic()
        if left <= 0:
            raise EngineUnavailable("engine_timeout", "the time for the decision is spent")
        try:
            response = self._adapter.send(
                request, stream=True, timeout=left, verify=self.verify or True, cert=self.cert
            )
            body = response.raw.read(MAX_ANSWER + 1, decode_content=False)
            if len(body) > MAX_ANSWER:
                response.raw.close()
                raise EngineUnavailable("engine_answer_invalid", "the engine's answer is too large")
            response.raw.release_conn()
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise EngineUnavailable("engine_answer_invalid", "the engine's answer has a content encoding")
        finally:
            while _TURN.watched:
                _WATCH.forget(_TURN.watched.pop())
        return Answer(response.status_code, body)


class StrictOpaClient(OpaClient):  # type: ignore[misc]
    """The library's client on a session of ours. `until` must be called before each request."""

    def __init__(self, *, connections: int, **options: Any) -> None:
        self._connections = connections
        super().__init__(retries=0, **options)

    def _init_session(self) -> requests.Session:
        session = _Session(self._connections)
        session.headers.update({"Accept-Encoding": "identity", **(self.headers or {})})
        session.verify = True
        return session

    def until(self, deadline: float) -> None:
        """Set the instant of time.monotonic() at which this thread's next request must have ended."""
        _TURN.deadline = deadline
