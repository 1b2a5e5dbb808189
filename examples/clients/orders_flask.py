"""An API of orders with Flask: every view is guarded by what it needs, and the service decides.

Run it beside `entitlements serve`:

    flask --app examples/clients/orders_flask.py run --port 5000
    curl -i http://127.0.0.1:5000/orders/42 -H "Authorization: Bearer $TOKEN"
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, abort, g, request

from entitlements.client import Allow, Batch, Client, Question
from entitlements.client.flask import FlaskGuard

ORDERS = {
    "42": {"tenant": "t_1", "total": 120},
    "43": {"tenant": "t_2", "total": 80},
    "44": {"tenant": "t_1", "total": 5},
}

app = Flask("orders", static_folder=None)
pdp = Client(os.environ.get("PDP_URL", "http://127.0.0.1:8080"), audience="https://orders.example.com", timeout=1.0)
guard = FlaskGuard(app, pdp, public={"health", "orders"}, public_url="https://orders.example.com")


def resource(number: str) -> dict[str, Any]:
    """What the service is asked about: the order's own tenant, never one that the caller names."""
    if number not in ORDERS:
        abort(404)
    return {"type": "order", "id": number, "properties": {"tenant": ORDERS[number]["tenant"]}}


@app.get("/orders/<number>")
@guard.requires("read", resource)
def order(number: str) -> dict[str, Any]:
    """One order."""
    return {"order": number, **ORDERS[number], "decision": g.entitlements.decision_id}


@app.delete("/orders/<number>")
@guard.requires("cancel", resource)
def cancel(number: str) -> tuple[str, int]:
    """Cancel an order."""
    del ORDERS[number]
    return "", 204


@app.get("/orders")
def orders() -> Any:
    """The orders that the caller may read: one question each, in one call. It is `public`, as it asks by itself."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    match pdp.authorize_batch(token, [Question("read", resource(number)) for number in ORDERS]):
        case Batch(answers=answers):
            allowed = zip(ORDERS, answers, strict=True)
            return {"orders": [number for number, answer in allowed if isinstance(answer, Allow)]}
        case refused:
            return guard.refusal(refused)


@app.get("/health")
def health() -> str:
    """For probes: anyone may ask."""
    return "well"
