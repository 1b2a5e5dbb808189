"""`GET /healthz`, `/readyz` and `/metrics`: is it alive, could it decide, what did it count.

Without credentials a caller learns names of parts, states and codes. Whoever asks from this very machine, or shows the
operator's token, is told the detail: pinned contracts, issuers, audiences and what is wrong in words.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Blueprint, Response, json, request
from prometheus_client import CONTENT_TYPE_LATEST

from entitlements.model import JSON, PartHealth
from entitlements.readiness import Readiness
from entitlements.web.metrics import Metrics

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
# A proxy on this machine asks for someone else.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def blueprint(readiness: Callable[[], Readiness], metrics: Metrics, operator_token: str) -> Blueprint:
    """The routes. readiness: asks each part that a decision depends on; operator_token: empty for none."""
    routes = Blueprint("status", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return Response('{"alive": true}', 200, content_type="application/json")

    @routes.get("/readyz")
    def readyz() -> Response:
        found = readiness()
        body = _whole(found) if _is_operator(operator_token) else _codes(found)
        return Response(json.dumps(body), 200 if found.ready else 503, content_type="application/json")

    @routes.get("/metrics")
    def exposition() -> Response:
        text = metrics.render(names=_is_operator(operator_token))
        return Response(text, 200, content_type=CONTENT_TYPE_LATEST)

    return routes


def _is_operator(token: str) -> bool:
    """Whether the caller sits on this machine, with no proxy between, or holds the operator's token."""
    if request.remote_addr in _LOOPBACK and not any(name in request.headers for name in _FORWARDED):
        return True
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode())


def _codes(found: Readiness) -> dict[str, JSON]:
    return {
        "ready": found.ready,
        "degraded": [{"part": part, "code": problem.code} for part, problem in found.degraded],
        "parts": {name: {"ready": part.ready, "state": _state(part)} for name, part in found.parts.items()},
    }


def _whole(found: Readiness) -> dict[str, JSON]:
    degraded: list[JSON] = [
        {"part": part, "code": problem.code, "problem": problem.text} for part, problem in found.degraded
    ]
    return {
        "ready": found.ready,
        "degraded": degraded,
        "audiences": {
            audience: {"state": "unavailable", "codes": [*codes]} if codes else {"state": "ready"}
            for audience, codes in found.audiences.items()
        },
        "parts": {name: _part(part) for name, part in found.parts.items()},
    }


def _part(part: PartHealth) -> dict[str, JSON]:
    problem: dict[str, JSON] = {"problem": part.problem} if part.problems else {}
    return {"ready": part.ready, "state": _state(part), **part.detail, **problem}


def _state(part: PartHealth) -> str:
    if not part.ready:
        return "unavailable"
    return "degraded" if part.problems else "ready"
