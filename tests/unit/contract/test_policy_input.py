"""What policy sees: AuthZEN's names, and each number in one spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import load_contract, policy_input
from entitlements.model import AccessRequest, Action, Principal, Resource

ROOT = Path(__file__).resolve().parents[3]
ORDERS = load_contract(ROOT / "contracts" / "orders" / "1.0.0.yaml")


def seen(value: Any) -> str:
    principal = Principal("u_1", "web", {"claim": value}, ("orders:read",))
    resource = Resource("order", "42", {"size": value})
    request = AccessRequest("token", Action("read", {"deep": value}), resource, {"hour": value})
    return json.dumps(policy_input(ORDERS, principal, request))


def test_policy_sees_subject_action_resource_context_and_contract_and_never_the_token() -> None:
    document = json.loads(seen("x"))
    assert document == {
        "subject": {
            "type": "user",
            "id": "u_1",
            "claims": {"claim": "x"},
            "scopes": ["orders:read"],
            "client_id": "web",
            "issuer": "https://login.example.com",
        },
        "action": {"name": "read", "properties": {"deep": "x"}},
        "resource": {"type": "order", "id": "42", "properties": {"size": "x"}},
        "context": {"hour": "x"},
        "contract": {"name": "orders", "version": "1.0.0"},
    }


@pytest.mark.parametrize(
    ("value", "other"),
    [(1.0, 1), (-0.0, 0), (1e15, 10**15), ([1.0, [2.0]], [1, [2]]), ({"a": {"b": 3.0}}, {"a": {"b": 3}})],
)
def test_a_number_has_one_spelling_wherever_it_stands(value: Any, other: Any) -> None:
    """To a contract `1.0` is `1`; a policy that prints it would see two."""
    assert seen(value) == seen(other)


@pytest.mark.parametrize("value", [1.5, True, "1.0", None, [True, "1.0"]])
def test_nothing_else_is_touched(value: Any) -> None:
    assert json.loads(seen(value))["subject"]["claims"]["claim"] == value
