"""What a question to the child OPA is made of, for both of its clients: its octets, its deadline and its connection."""

from __future__ import annotations

import functools
import json
import socket
import time
from collections import deque
from collections.abc import Mapping
from typing import Protocol, TypeVar

from entitlements.engine.decision_path import DECISION_PATH
from entitlements.engine.unix_socket import Check, connected
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON

READ_BYTES = 64 * 1024
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Stale(Exception):
    """The peer had closed an idle connection: no octet of an answer came, and a query changes nothing."""


def question(decision_path: str, policy_input: Mapping[str, JSON]) -> bytes:
    """The HTTP request for one evaluation. Raises ValueError for a path that is not a contract's constant."""
    body = _ENCODER.encode({"input": policy_input}).encode("ascii")
    return b"%b%d\r\n\r\n%b" % (_head(decision_path), len(body), body)


@functools.lru_cache(256)
def _head(decision_path: str) -> bytes:
    """The head of a question, as far as the digits of its length."""
    if not DECISION_PATH.fullmatch(decision_path):
        raise ValueError("a decision path is made of Rego identifiers")
    return (
        f"POST /v1/data/{decision_path}?strict-builtin-errors=true&provenance=true HTTP/1.1\r\n"
        "Host: localhost\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\nContent-Length: "
    ).encode("ascii")


def left(deadline: float) -> float:
    """The seconds until `deadline`. Raises EngineUnavailable `engine_timeout` where there are none."""
    seconds = deadline - time.monotonic()
    # Said so that a deadline that is not a number has passed.
    if not seconds > 0:
        raise too_late()
    return seconds


def too_late() -> EngineUnavailable:
    """The engine did not answer before the deadline."""
    return EngineUnavailable("engine_timeout", "the engine took too long")


def opened(path: str, check: Check, seconds: float) -> socket.socket:
    """A new connection that never waits; see `connected`. Raises EngineUnavailable where octets came unasked."""
    connection = connected(path, check, seconds)
    connection.setblocking(False)
    try:
        early = connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return connection
    if early:
        connection.close()
        raise EngineUnavailable("engine_answer_invalid", "the engine answered before it was asked")
    return connection


class Kept(Protocol):
    """A connection that is kept while nothing is asked."""

    def silent(self) -> bool:
        """See `is_silent`."""

    def close(self) -> None:
        """Close it."""


_Kept = TypeVar("_Kept", bound=Kept)


def take(idle: deque[_Kept]) -> _Kept | None:
    """The connection that was used last, if it may be used again; others are closed. From any thread."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if connection.silent():
            return connection
        connection.close()


def is_silent(connection: socket.socket) -> bool:
    """Whether it is open and nothing has come: what is there already is no answer of the next question."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def ended(*, begun: bool) -> Stale | EngineUnavailable:
    """What is to be raised where the peer has closed. begun: whether any octet of an answer came."""
    return EngineUnavailable("engine_answer_invalid", "the engine's answer was truncated") if begun else Stale()


def unavailable(error: Stale | OSError) -> EngineUnavailable:
    """Why a question has no answer."""
    if isinstance(error, Stale):
        return EngineUnavailable("engine_unreachable", "the engine closed the connection")
    if isinstance(error, TimeoutError):
        return too_late()
    return EngineUnavailable("engine_unreachable", "the engine cannot be reached")
