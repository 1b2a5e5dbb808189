"""What the demonstration asks, and what must be answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from entitlements.model import JSON

AGENT: Mapping[str, JSON] = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}
ORDER: Mapping[str, JSON] = {"tenant": "t_1", "owner": "u_1", "classification": 2, "status": "placed"}
CLERK: Mapping[str, JSON] = {
    "tenant": "t_1",
    "suspended": False,
    "single_limit": 1_000_000,
    "account": {"region": "eu", "approval": {"level": 2, "four_eyes": True}},
    "acr": "urn:example:pwd",
    "amr": ["pwd"],
}
PAYMENT: Mapping[str, JSON] = {"tenant": "t_1", "region": "eu", "currency": "EUR"}
ORDERS_SCOPES = ("orders:read", "orders:write")
PAYMENTS_SCOPES = ("payments:read", "payments:create")


@dataclass(frozen=True)
class Case:
    """One request. expect: `allow`, a reason of a denial, or the status of a refusal."""

    title: str
    expect: str
    contract: str = "orders"
    claims: Mapping[str, JSON] = field(default_factory=lambda: AGENT)
    scopes: Sequence[str] = ORDERS_SCOPES
    action: str = "read"
    properties: Mapping[str, JSON] = field(default_factory=lambda: ORDER)
    changes: Mapping[str, JSON] = field(default_factory=dict)
    typ: str = "at+jwt"
    token: str | None = None


def _payment(title: str, expect: str, *, amount: int, limit: int = 1_000_000) -> Case:
    return Case(
        title,
        expect,
        contract="payments",
        claims={**CLERK, "single_limit": limit},
        scopes=PAYMENTS_SCOPES,
        action="create",
        properties={**PAYMENT, "amount": amount},
    )


def cases(now: int) -> list[Case]:
    """Every case; `now` in seconds since the epoch."""
    return [
        Case("an agent reads an order of its tenant", "allow"),
        Case("an agent changes its own order", "allow", action="update"),
        Case(
            "a viewer changes an order",
            "action_not_granted_by_role",
            claims={**AGENT, "roles": ["viewer"]},
            action="update",
        ),
        Case("the scope for reading only", "scope_missing", scopes=["orders:read"], action="update"),
        Case("an order of another tenant", "tenant_mismatch", properties={**ORDER, "tenant": "t_2"}),
        Case("an order of another user", "not_owner", action="cancel", properties={**ORDER, "owner": "u_2"}),
        Case("an order above the clearance", "clearance_too_low", properties={**ORDER, "classification": 3}),
        Case("a suspended user", "subject_suspended", claims={**AGENT, "suspended": True}),
        Case(
            "an undeclared claim changes nothing",
            "tenant_mismatch",
            claims={**AGENT, "is_admin": True, "tenants": ["t_1", "t_2"]},
            properties={**ORDER, "tenant": "t_2"},
        ),
        Case("a claim breaks the contract", "contract_violated", claims={**AGENT, "suspended": "false"}),
        Case("a claim is missing", "contract_violated", claims={"roles": ["agent"], "suspended": False}),
        _payment("a payment within the limit", "allow", amount=400_000),
        _payment("a payment above the limit", "limit_exceeded", amount=400_001, limit=400_000),
        _payment("a large payment, password only", "step_up_required", amount=600_000),
        Case("an expired token", "401", changes={"iat": now - 900, "exp": now - 300}),
        Case("a token for another audience", "401", changes={"aud": "https://crm.example.com"}),
        Case("a token for another API that is served here", "401", changes={"aud": "https://payments.example.com"}),
        Case("an ID token", "401", typ="JWT", changes={"nonce": "n-0S6"}),
        Case("no token", "401", token=""),
        Case("a request that the contract does not know", "400", properties={**ORDER, "priority": 1}),
    ]
