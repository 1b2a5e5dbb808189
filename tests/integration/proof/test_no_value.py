"""A claim that no value conforms to: tokens without it are permitted, so that nothing follows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, UNKNOWN, Access, Side, compare_access
from entitlements.proof.effort import Effort
from entitlements.proof.reachability import FIRES, NEVER, reachable
from tests.shop import SHOP

SCHEMAS: dict[str, dict[str, Any]] = {
    "no multiple": {"type": "integer", "minimum": 1, "maximum": 99, "multipleOf": 100},
    "too few members": {
        "type": "array",
        "items": {"enum": ["a", "b"]},
        "minItems": 3,
        "maxItems": 6,
        "uniqueItems": True,
    },
    "too few elements": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 2},
        "minItems": 3,
        "maxItems": 6,
        "uniqueItems": True,
    },
    "no string": {"type": "string", "pattern": "^a$", "minLength": 2, "maxLength": 9},
}
ALLOW = 'allow if {{ input.subject.claims.role in {{"a", {more}}}; not input.subject.claims.one == "aa" }}'


def side(folder: Path, version: str, schema: dict[str, Any], more: str) -> Side:
    claims = {"one": {"schema": schema}, "role": {"required": True, "schema": {"enum": ["a", "b", "c"]}}}
    request = {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}}
    document = {**SHOP, "version": version, "claims": claims, "request": request}
    contract = parse_contract(json.dumps(document), Path("shop.yaml"), named=False)
    file = folder / version / "shop" / "authz" / "authz.rego"
    file.parent.mkdir(parents=True)
    file.write_text(f"package shop.authz\n\n{ALLOW.format(more=more)}\n")
    return Side(contract, folder / version, "shop/authz/allow")


def checked(opa: Opa, folder: Path, schema: dict[str, Any], *, after: str = '"c"') -> Access:
    sides = side(folder, "1.0.0", schema, '"b"'), side(folder, "2.0.0", schema, after)
    return compare_access(*sides, opa=opa, effort=Effort(budget=0))


@pytest.mark.parametrize("name", SCHEMAS)
def test_nothing_is_proved_where_a_claim_has_no_value(opa: Opa, tmp_path: Path, name: str) -> None:
    answer = checked(opa, tmp_path, SCHEMAS[name]).no_new_access
    assert answer.answer != PROVED
    assert answer.answer != UNKNOWN or "may permit no value at all" in answer.reason


def test_a_claim_that_has_a_value_hinders_no_proof(opa: Opa, tmp_path: Path) -> None:
    schema = {**SCHEMAS["no multiple"], "maximum": 100}
    assert checked(opa, tmp_path, schema, after='"b"').no_new_access.answer == PROVED


def test_no_rule_is_called_dead_where_a_claim_has_no_value(opa: Opa, tmp_path: Path) -> None:
    one = side(tmp_path, "1.0.0", SCHEMAS["no multiple"], '"b"')
    found = reachable(one.contract, one.policies, opa=opa)
    assert {rule.answer for rule in found.rules} <= {FIRES, "unknown"}
    assert NEVER not in {rule.answer for rule in found.rules}
