"""What is asked while measuring: one order read, allowed, by tokens of each algorithm."""

from __future__ import annotations

import json
from functools import cache

from devkit.cases import AGENT, ORDER, ORDERS_SCOPES
from devkit.service import Issuer, contracts
from entitlements.contract import Contract, policy_input
from entitlements.model import AccessRequest, Action, Principal, Resource

ORDER_BODY = json.dumps(
    {
        "audience": "https://orders.example.com",
        "action": "read",
        "resource": {"type": "order", "id": "42", "properties": dict(ORDER)},
    }
).encode()


@cache
def orders() -> Contract:
    """The contract that is asked under."""
    return contracts()["orders"]


def order_token(issuer: Issuer, algorithm: str) -> str:
    """A token that no one has seen before."""
    return issuer.token(orders(), claims=AGENT, scopes=ORDERS_SCOPES, algorithm=algorithm)


def opa_body() -> bytes:
    """The very input that the service sends to OPA for `ORDER_BODY`."""
    principal = Principal("u_1", "web", AGENT, tuple(sorted(ORDERS_SCOPES)))
    request = AccessRequest("", Action("read"), Resource("order", "42", ORDER))
    return json.dumps({"input": policy_input(orders(), principal, request)}).encode()
