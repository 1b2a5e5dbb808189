"""What makes two witnesses two: which values came, went or changed, where a schema names its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.model import Resource
from entitlements.proof.kinds import differences, meaning
from entitlements.proof.scenario import Scenario, Token
from tests.shop import SHOP

CLAIMS = {
    "role": {"schema": {"enum": ["a", "b", "c"]}},
    "tags": {"schema": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}},
    "name": {"schema": {"type": "string", "maxLength": 9}},
    "on": {"schema": {"type": "boolean"}},
}
CONTRACT = parse_contract(
    json.dumps({**SHOP, "claims": CLAIMS, "scopes": {"read": {"claims": []}}}), Path("shop.yaml"), named=False
)
TOKEN = Token("u_1", frozenset(), {"role": "a", "tags": ["a"], "name": "x", "on": False})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("role", "b", ("role", "=", '"b"')),
        ("role", "c", ("role", "=", '"c"')),
        ("role", None, ("role", "=", "")),
        ("on", True, ("on", "=", "true")),
        ("name", "y", ("name", "=", "*")),
        ("tags", ["a", "b"], ("tags", "+", '"b"')),
        ("tags", [], ("tags", "-", '"a"')),
        ("tags", ["a", "a"], ("tags", "=", "*")),
    ],
    ids=str,
)
def test_difference_names_the_value_where_the_schema_does(name: str, value: Any, told: tuple[str, str, str]) -> None:
    claims = (
        {**TOKEN.claims, name: value} if value is not None else {n: v for n, v in TOKEN.claims.items() if n != name}
    )
    after = Token("u_1", frozenset(), claims)
    point = Scenario(TOKEN, after, "read", Resource("item", "1", {}), {})
    assert differences(CONTRACT, CONTRACT, point) == {told}


def test_identities_and_scopes_are_differences() -> None:
    after = Token("u_2", frozenset({"read"}), TOKEN.claims, "other")
    point = Scenario(TOKEN, after, "read", Resource("item", "1", {}), {})
    wanted = {("sub", "=", "*"), ("client_id", "=", "*"), ("scope", "+", '"read"')}
    assert differences(CONTRACT, CONTRACT, point) == wanted


def subjects(schema: dict[str, Any], issuer: str = SHOP["issuer"]) -> Contract:
    claims = {**CLAIMS, "sub": {"required": True, "schema": schema}}
    document = {**SHOP, "issuer": issuer, "claims": claims}
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


@pytest.mark.parametrize(
    "later",
    [
        subjects({"type": "string", "minLength": 1}),
        subjects({"enum": ["svc-a", "svc-b", "svc-c"]}, "https://other.example.com"),
    ],
    ids=["any-subject", "another-issuer"],
)
def test_a_later_edit_of_who_the_subject_is_needs_an_approval_of_its_own(later: Contract) -> None:
    old, new = subjects({"enum": ["svc-a", "svc-b"]}), subjects({"enum": ["svc-a", "svc-b", "svc-c"]})
    difference = frozenset({("sub", "=", "*")})
    assert meaning(old, new, difference) != meaning(old, later, difference)
