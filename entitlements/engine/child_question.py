"""What a question to the child OPA is made of, for both of its clients: its octets, and its deadline."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping

from entitlements.engine.decision_path import DECISION_PATH
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON

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
    if seconds <= 0:
        raise too_late()
    return seconds


def too_late() -> EngineUnavailable:
    """The engine did not answer before the deadline."""
    return EngineUnavailable("engine_timeout", "the engine took too long")
