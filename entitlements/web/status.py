"""`GET /healthz`, `/readyz` and `/metrics`: is it alive, could it decide, what did it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, json
from prometheus_client import CONTENT_TYPE_LATEST

from entitlements.model import JSON, PartHealth
from entitlements.web.metrics import Metrics


def blueprint(readiness: Callable[[], Mapping[str, PartHealth]], metrics: Metrics) -> Blueprint:
    """The routes; `readiness` asks each part that a decision depends on."""
    routes = Blueprint("status", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return Response('{"alive": true}', 200, content_type="application/json")

    @routes.get("/readyz")
    def readyz() -> Response:
        parts = readiness()
        ready = all(part.ready for part in parts.values())
        body: dict[str, JSON] = {"ready": ready, "parts": {name: _render(part) for name, part in parts.items()}}
        return Response(json.dumps(body), 200 if ready else 503, content_type="application/json")

    @routes.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.render(), 200, content_type=CONTENT_TYPE_LATEST)

    return routes


def _render(part: PartHealth) -> dict[str, JSON]:
    shown: dict[str, JSON] = {"ready": part.ready, **part.detail}
    if part.problem:
        shown["problem"] = part.problem
    return shown
