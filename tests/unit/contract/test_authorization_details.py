"""RFC 9396: `authorization_details` as a typed claim; what the contract does not know of it grants nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Admitted, Refused, admit, parse_contract
from entitlements.model import VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/delegation.md").read_text()
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
CLAIMS = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


def documented() -> Any:
    """The claim as the documentation shows it."""
    (text,) = (block for block in PAGE.split("```")[1::2] if "authorization_details:" in block)
    return yaml.safe_load(text.removeprefix("yaml\n"))["claims"]["authorization_details"]


CONTRACT = parse_contract(
    yaml.safe_dump({**copy.deepcopy(TREE), "claims": {**TREE["claims"], "authorization_details": documented()}}),
    Path("orders/1.0.0.yaml"),
)
PAYMENT = {"type": "payment_initiation", "actions": ["initiate"], "amount": 12.5, "currency": "EUR"}

ACCOUNT = {"type": "account_information", "actions": ["read_balances"]}


def found_of(details: Any) -> Admitted | Refused:
    profile = CONTRACT.profile
    values = {"iss": profile.issuer, "aud": profile.audience, "exp": 1, "iat": 0, "jti": "j", "sub": "u_1"}
    values |= {"client_id": "web", "scope": "orders:read orders:write", **CLAIMS, "authorization_details": details}
    return admit(CONTRACT, VerifiedClaims(values, profile.issuer, profile.audience, "ES256", 1, 600))


@pytest.mark.parametrize(
    "details",
    [
        [],
        [PAYMENT],
        [PAYMENT, {"type": "account_information", "actions": ["read_balances"]}],
        [{"type": "payment_initiation"}],
    ],
    ids=["none", "one", "two", "its type alone"],
)
def test_declared_details_reach_policy_as_they_are(details: Any) -> None:
    found = found_of(details)
    assert isinstance(found, Admitted), found
    assert found.principal.claims["authorization_details"] == details


@pytest.mark.parametrize(
    ("details", "violation"),
    [
        ([{**PAYMENT, "type": "admin"}], ("value_not_permitted", "authorization_details[0].type")),
        ([PAYMENT, {"actions": ["initiate"]}], ("member_missing", "authorization_details[1]")),
        ([{**PAYMENT, "locations": ["https://x"]}], ("member_undeclared", "authorization_details[0]")),
        ([{**PAYMENT, "actions": ["erase"]}], ("value_not_permitted", "authorization_details[0].actions[0]")),
        ([{**PAYMENT, "amount": "12.5"}], ("type_mismatch", "authorization_details[0].amount")),
        ([["type", "payment_initiation"]], ("type_mismatch", "authorization_details[0]")),
        (PAYMENT, ("type_mismatch", "authorization_details")),
        ("payment_initiation", ("type_mismatch", "authorization_details")),
        ([PAYMENT] * 5, ("too_many_items", "authorization_details")),
    ],
    ids=["type", "no type", "member", "action", "amount", "list", "object", "string", "many"],
)
def test_details_that_the_contract_does_not_know_break_it(details: Any, violation: tuple[str, str]) -> None:
    found = found_of(details)
    assert isinstance(found, Refused)
    assert violation in [(one.code, one.claim) for one in found.violations]
