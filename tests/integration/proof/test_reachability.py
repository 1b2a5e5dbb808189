"""Which rules a permitted token can reach and which claims can change a decision; `unknown` where that is open."""

from __future__ import annotations

from pathlib import Path

from entitlements.engine import Opa
from entitlements.proof.reachability import DECIDES, FIRES, NEVER, NOTHING, UNKNOWN, reachable
from tests.integration.proof.test_attacks import contract

TAGS = {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 200}
POLICY = """\
package shop.authz

default allow := false

allow if input.subject.claims.role == "user"

allow if input.subject.claims.role == "root"

allow if count([tag | some tag in input.subject.claims.tags; startswith(tag, "a")]) > 150
"""


def test_rules_and_claims_are_told_apart_and_a_long_list_is_left_open(opa: Opa, tmp_path: Path) -> None:
    place = tmp_path / "shop" / "authz"
    place.mkdir(parents=True)
    (place / "authz.rego").write_text(POLICY)
    claims = {
        "role": {"required": True, "schema": {"enum": ["user", "guest"]}},
        "tags": {"required": True, "schema": TAGS},
        "unread": {"required": True, "schema": {"type": "boolean"}},
    }
    found = reachable(contract(claims=claims), tmp_path, opa=opa)
    rules = {one.rule.first: one.answer for one in found.rules if one.rule.first > 3}
    assert rules == {5: FIRES, 7: UNKNOWN, 9: UNKNOWN}
    assert {one.claim: one.answer for one in found.claims} == {"role": DECIDES, "tags": UNKNOWN, "unread": UNKNOWN}
    assert all(one.reason for one in (*found.rules, *found.claims) if one.answer == UNKNOWN)


def test_without_long_lists_dead_rules_and_unread_claims_are_named(opa: Opa, tmp_path: Path) -> None:
    place = tmp_path / "shop" / "authz"
    place.mkdir(parents=True)
    (place / "authz.rego").write_text(POLICY.rpartition("\nallow if count")[0])
    claims = {
        "role": {"required": True, "schema": {"enum": ["user", "guest"]}},
        "unread": {"required": True, "schema": {"type": "boolean"}},
    }
    found = reachable(contract(claims=claims), tmp_path, opa=opa)
    assert {one.rule.first: one.answer for one in found.rules if one.rule.first > 3} == {5: FIRES, 7: NEVER}
    assert {one.claim: one.answer for one in found.claims} == {"role": DECIDES, "unread": NOTHING}
