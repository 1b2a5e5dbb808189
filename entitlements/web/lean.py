"""`POST /authorize` in front of Flask, for the plain case: it answers as the ordinary route does, or declines.

Every refusal is worded by the ordinary route. What could make it look at a request in another way (a header that is not
known here, a query, an address with an escape) declines.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from entitlements.lean_pdp import UNTRIED, Declined, LeanLane
from entitlements.model import AccessRequest
from entitlements.web.authorize import JSON_TYPE
from entitlements.web.lean_answer import answer_body
from entitlements.web.lean_body import read_lean
from entitlements.web.metrics import Metrics
from entitlements.web.request_id import is_request_id
from entitlements.web.server import Answer

# Read here, or without a meaning for any route: what clients, proxies and tracers add to every request.
_HEADERS = frozenset(
    {
        *("host", "authorization", "content-type", "content-length", "x-request-id"),
        *("accept", "accept-encoding", "accept-language", "user-agent", "connection", "keep-alive", "via"),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"),
        *("traceparent", "tracestate", "baggage", "b3"),
    }
)
_PATH = re.compile(rb"/authorize(?:/([a-z0-9][a-z0-9_-]{0,63}))?")
# Labels as werkzeug takes them, which reads the host for the other route: none is empty, none longer than DNS permits.
_HOST = re.compile(r"(?:[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_BEARER = re.compile(r"[Bb]earer ([\x21-\x7e]+)")


class LeanRoute:
    """The route, in front of `lane`; what it answers is counted as any decision, and how often it declines."""

    def __init__(self, lane: LeanLane, metrics: Metrics) -> None:
        self._lane = lane
        self._metrics = metrics

    async def answer(self, scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> Answer | float | None:
        """The answer of the ordinary route, or that it has to be asked; see `Lean` of the door.

        headers: as the door checked them; body: whole.
        """
        path = _PATH.fullmatch(scope["raw_path"])
        if path is None or scope["method"] != "POST" or path[1] == b"batch":
            return None
        started = time.perf_counter()
        answer = await self._decided(scope, headers, body, path[1], started)
        self._metrics.lean(answered=not isinstance(answer, Declined))
        return answer.since if isinstance(answer, Declined) else answer

    async def _decided(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes, contract: bytes | None, started: float
    ) -> Answer | Declined:
        request = _request(scope, headers, body, contract)
        if request is None:
            return UNTRIED
        request_id = headers.get("x-request-id", "")
        answered = await self._lane.decide(request, request_id=request_id)
        if isinstance(answered, Declined):
            return answered
        if request.audience is None and contract is None:
            self._metrics.silent()
        self._metrics.decided(answered, len(answered.ignored), time.perf_counter() - started)
        answer = answer_body(answered)
        answer_headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(answer))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ]
        if request_id:
            answer_headers.append(("x-request-id", request_id))
        return 200, answer_headers, answer


def _request(
    scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes, contract: bytes | None
) -> AccessRequest | None:
    """What a plain request asks; None where anything about it is unusual."""
    if not headers.keys() <= _HEADERS or scope["query_string"] or scope["http_version"] != "1.1":
        return None
    bearer = _BEARER.fullmatch(headers.get("authorization", ""))
    if bearer is None or not JSON_TYPE.fullmatch(headers.get("content-type", "")):
        return None
    if not _HOST.fullmatch(headers.get("host", "")) or not is_request_id(headers.get("x-request-id", "-")):
        return None
    asked = read_lean(body)
    if asked is None:
        return None
    return AccessRequest(
        bearer[1],
        asked.action,
        asked.resource,
        asked.context,
        asked.audience,
        None if contract is None else contract.decode("ascii"),
    )
