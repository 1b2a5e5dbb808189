"""An API of orders with Starlette, or any other framework of ASGI: one guard in front of all of it.

Run it beside `entitlements serve`, with any ASGI server:

    granian --interface asgi --port 5000 examples/clients/orders_starlette.py:app
    curl -i http://127.0.0.1:5000/orders/42 -H "Authorization: Bearer $TOKEN"
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from entitlements.client import Question
from entitlements.client.aio import AsyncClient
from entitlements.client.asgi import PUBLIC, ASGIGuard

ORDERS = {"42": {"tenant": "t_1", "total": 120}, "43": {"tenant": "t_2", "total": 80}}
ACTIONS = {"GET": "read", "HEAD": "read", "DELETE": "cancel"}

pdp = AsyncClient(
    os.environ.get("PDP_URL", "http://127.0.0.1:8080"), audience="https://orders.example.com", timeout=1.0
)


def question(scope: Any) -> Any:
    """What is asked of each request: all that is not named here needs a permission that the contract does not know."""
    if scope["path"] == "/health":
        return PUBLIC
    number = scope["path"].removeprefix("/orders/")
    properties = {"tenant": ORDERS[number]["tenant"]} if number in ORDERS else {"tenant": "t_0"}
    action = ACTIONS.get(scope.get("method", ""), "other")
    return Question(action, {"type": "order", "id": number, "properties": properties})


async def order(request: Request) -> JSONResponse:
    """One order."""
    number = request.path_params["number"]
    return JSONResponse({"order": number, **ORDERS[number], "decision": request["entitlements.answer"].decision_id})


async def health(_request: Request) -> PlainTextResponse:
    """For probes: anyone may ask."""
    return PlainTextResponse("well")


@contextlib.asynccontextmanager
async def closing(_app: Starlette) -> AsyncIterator[None]:
    """The client lives as long as the event loop."""
    async with pdp:
        yield


app = Starlette(
    routes=[Route("/orders/{number}", order), Route("/health", health)],
    middleware=[Middleware(ASGIGuard, pdp=pdp, question=question, public_url="https://orders.example.com")],
    lifespan=closing,
)
