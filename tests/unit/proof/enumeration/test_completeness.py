"""When points that were enumerated are all there is: every part that a policy reads was listed in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import Opa
from entitlements.proof.checkable import checkable
from entitlements.proof.enumeration.completeness import complete, unread
from entitlements.proof.enumeration.space import Space
from tests.shop import SHOP

ROLE = {"role": {"required": True, "schema": {"enum": ["a", "b"]}}}
READS_ROLE = 'input.subject.claims.role == "a"'


def space(opa: Opa, folder: Path, body: str, **parts: Any) -> Space:
    """Of a policy under a version that adds a role, with its layouts made."""
    request = {"actions": ["read"], "resources": {"item": {"properties": {}}}}
    document = {**SHOP, "claims": ROLE, "request": request, **parts}
    document = {name: part for name, part in document.items() if part is not None}
    more = {**document, "version": "1.1.0", "claims": {"role": {"required": True, "schema": {"enum": ["a", "b", "c"]}}}}
    old, new = (parse_contract(json.dumps(one), Path("shop.yaml"), named=False) for one in (document, more))
    place = folder / "shop" / "authz"
    place.mkdir(parents=True)
    (place / "authz.rego").write_text(f"package shop.authz\n\ndefault allow := false\n\nallow if {{\n\t{body}\n}}\n")
    found = Space(old, new, [checkable(opa, folder, old.decision_path)] * 2)
    assert found.size > 0
    return found


def properties(number: int, values: int) -> dict[str, Any]:
    listed = {f"p{place}": {"enum": [*range(values)]} for place in range(number)}
    return {"actions": ["read"], "resources": {"item": {"properties": listed}}}


@pytest.mark.parametrize(("number", "whole"), [(5, True), (6, False)])
def test_all_sets_of_a_few_scopes_are_listed(number: int, whole: bool, opa: Opa, tmp_path: Path) -> None:
    scopes = {f"s{place}": {"claims": []} for place in range(number)}
    body = f'{READS_ROLE}\n\t"s0" in input.subject.scopes'
    assert complete(space(opa, tmp_path, body, scopes=scopes)) is whole


@pytest.mark.parametrize(("number", "values", "whole"), [(2, 4, True), (3, 13, False), (4, 11, False)])
def test_objects_are_complete_where_all_their_combinations_are_listed(
    number: int, values: int, whole: bool, opa: Opa, tmp_path: Path
) -> None:
    body = "\n\t".join([READS_ROLE, *(f"input.resource.properties.p{place} > 1" for place in range(number))])
    assert complete(space(opa, tmp_path, body, request=properties(number, values))) is whole


@pytest.mark.parametrize(
    "body",
    ['input.resource.id == "1"', "input.action.properties.x", 'input.subject.id == "x"', "input.contract.version"],
)
def test_open_part_that_a_policy_reads_is_never_complete(body: str, opa: Opa, tmp_path: Path) -> None:
    whole = body == "input.contract.version"
    assert complete(space(opa, tmp_path, f"{READS_ROLE}\n\t{body}")) is whole


def test_untyped_request_is_never_complete(opa: Opa, tmp_path: Path) -> None:
    assert not complete(space(opa, tmp_path, READS_ROLE, request=None))


@pytest.mark.parametrize(("body", "nothing"), [('input.action.name == "read"', True), (READS_ROLE, False)])
def test_change_is_unread_where_no_policy_reads_the_claim(body: str, nothing: bool, opa: Opa, tmp_path: Path) -> None:
    assert unread(space(opa, tmp_path, body)) is nothing
