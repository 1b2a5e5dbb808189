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


def _request(most: int) -> dict[str, Any]:
    members = {"properties": {"n": {"type": "integer", "maximum": most}}}
    return {"request": {"actions": ["read"], "resources": {"doc": members}, "context": {"properties": {}}}}


def _answered(place: str) -> dict[str, Any]:
    return {"policy": {**SHOP["policy"], "answer": {"allow": [place]}}}


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (_request(6), _request(99)),
        (_answered("one"), _answered("other")),
        ({"policy": {**SHOP["policy"], "rule": "one"}}, {"policy": {**SHOP["policy"], "rule": "other"}}),
        ({"scopes": {"s": {"claims": ["name"]}, "t": {}}}, {"scopes": {"s": {}, "t": {"claims": ["name"]}}}),
    ],
    ids=["the request", "the place of the answer", "the rule", "the scope that releases the claim"],
)
def test_another_change_of_the_contract_is_another_meaning(first: dict[str, Any], later: dict[str, Any]) -> None:
    def contract(said: dict[str, Any]) -> Contract:
        document = {**SHOP, "claims": CLAIMS, "scopes": {"s": {}, "t": {}}, **said}
        return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)

    found = frozenset({("name", "=", "*")})
    old = contract({})
    assert meaning(old, contract(first), found) != meaning(old, contract(later), found)
    assert meaning(old, old, found).keys() == {"differences", "claims"}
