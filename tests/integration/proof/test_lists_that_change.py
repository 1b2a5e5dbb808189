"""Long lists of strings whose contract changes: what is proved of a few elements, and what shows a widening."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Answer, Side, compare_access
from entitlements.proof.check import Effort
from tests.shop import SHOP

LONG = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 20}, "maxItems": 300}
NARROW = {**LONG, "items": {**LONG["items"], "pattern": "^[a-z]+$"}}  # type: ignore[dict-item]
ROWS = {
    "type": "array",
    "items": {"type": "object", "properties": {"team": LONG["items"]}, "required": ["team"]},
    "maxItems": 50,
}
NARROW_ROWS = {**ROWS, "items": {"type": "object", "properties": {"team": NARROW["items"]}, "required": ["team"]}}
MEMBER = 'allow if "ops" in input.subject.claims.one'
DENIED = 'allow if not "banned" in input.subject.claims.one'


def of_one(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"one": {"required": required, "schema": schema}}


def within(required: bool = True, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": ["tags"]}
    return {"one": {"required": required, "schema": schema}}


def asked(
    opa: Opa, folder: Path, claims: tuple[dict[str, Any], dict[str, Any]], rules: tuple[str, str], budget: int = 0
) -> Answer:
    sides = []
    for version, declared, rule in zip(("1.0.0", "2.0.0"), claims, rules, strict=True):
        file = folder / version / "shop" / "authz" / "authz.rego"
        file.parent.mkdir(parents=True)
        file.write_text(f"package shop.authz\n\n{rule}\n")
        request = {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}}
        document = {**SHOP, "version": version, "claims": declared, "request": request}
        contract = parse_contract(json.dumps(document), Path("shop.yaml"), named=False)
        sides.append(Side(contract, folder / version, "shop/authz/allow"))
    return compare_access(sides[0], sides[1], opa=opa, effort=Effort(budget=budget)).no_new_access


@pytest.mark.parametrize(
    ("claims", "rule"),
    [
        ((of_one(LONG), of_one(NARROW)), MEMBER),
        ((of_one(LONG), of_one(LONG, required=False)), MEMBER),
        ((of_one(LONG), of_one({**LONG, "maxItems": 100})), MEMBER),
        (
            (of_one(NARROW_ROWS), of_one(NARROW_ROWS, required=False)),
            'allow if input.subject.claims.one[_].team == "a"',
        ),
        ((within(tags=LONG, on={"enum": ["a"]}), within(tags=LONG, on={"enum": ["a", "b"]})), "allow if T"),
        ((of_one(LONG), of_one({**LONG, "maxItems": 400})), "allow if input.subject.claims.one"),
    ],
    ids=["pattern", "optional", "shorter", "objects", "beside a change", "longer"],
)
def test_no_new_access_is_proved(opa: Opa, tmp_path: Path, claims: Any, rule: str) -> None:
    rule = rule.replace("T", '{ "ops" in input.subject.claims.one.tags; not "x" in input.subject.claims.one.tags }')
    assert asked(opa, tmp_path, claims, (rule, rule)).answer == PROVED


@pytest.mark.parametrize(
    ("claims", "rule"),
    [
        ((of_one(LONG), of_one({**LONG, "maxItems": 100})), DENIED),
        ((of_one(NARROW), of_one(LONG)), 'allow if "OPS" in input.subject.claims.one'),
        ((of_one(LONG), of_one(NARROW)), 'allow if not "OPS" in input.subject.claims.one'),
        ((of_one(LONG), of_one({**LONG, "minItems": 1})), 'allow if "ops" in input.subject.claims.one'),
    ],
    ids=["cut", "wider items", "narrower items", "not empty"],
)
def test_new_access_is_shown(opa: Opa, tmp_path: Path, claims: Any, rule: str) -> None:
    answer = asked(opa, tmp_path, claims, (rule, rule))
    assert (answer.answer, answer.method) == (REFUTED, "proof")


def test_a_denial_that_is_cut_off_is_shown_with_lists_as_long_as_they_are(opa: Opa, tmp_path: Path) -> None:
    claims = of_one(LONG), of_one({**LONG, "maxItems": 100})
    (witness,) = asked(opa, tmp_path, claims, (DENIED, DENIED)).witnesses
    assert len(witness.scenario.before.claims["one"]) > 100
    assert "banned" in witness.scenario.before.claims["one"]


def test_an_element_shows_that_an_object_around_a_free_list_is_new(opa: Opa, tmp_path: Path) -> None:
    """The list changes its type: its elements are any. One of them shows that the object was not permitted before, so
    that somebody without it may hold it, and others let in.
    """
    old = {"type": "array", "items": {"type": ["string", "null"], "maxLength": 1}, "maxItems": 30}
    new = {
        "type": "array",
        "items": {"type": ["string", "integer"], "maxLength": 1, "minimum": 1, "maximum": 9},
        "maxItems": 30,
    }
    tags = "; ".join(f'"{one}" in input.subject.claims.one.tags' for one in "abc")
    claims = within(required=False, tags=old), within(required=False, tags=new)
    rules = "allow if input.subject.claims.one", f"allow if {{ {tags} }}"
    assert asked(opa, tmp_path, claims, rules).answer == REFUTED


def test_a_list_that_may_grow_beyond_its_length_is_not_proved(opa: Opa, tmp_path: Path) -> None:
    claims = of_one(LONG), of_one({**LONG, "maxItems": 400})
    assert asked(opa, tmp_path, claims, (MEMBER, MEMBER)).answer != PROVED
