"""A side that allows no one anything is reported, with the rule: `proved` of it says little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Side, compare_access
from tests.integration.proof.test_attacks import answer, contract

ALLOWS = 'allow if input.subject.claims.role == "user"'
NEVER = {
    "a value that is not permitted": 'allow if input.subject.claims.role == "root"',
    "a registered claim": "allow if input.subject.claims.exp > 0",
    "both at once": 'allow if {\n\tinput.action.name == "read"\n\tinput.action.name == "write"\n}',
    "no rule but the default": "other := 1",
}
SHAPES = {
    "an object": 'allow := {"allowed": true} if input.action.name == "read"',
    "a string": 'allow := "yes" if input.action.name == "read"',
    "a number": 'allow := 1 if input.action.name == "read"',
}


@pytest.mark.parametrize("name", NEVER)
def test_a_policy_that_never_allows_is_told_on_both_sides(name: str, opa: Opa, tmp_path: Path) -> None:
    found = answer(contract(), contract(version="1.1.0"), tmp_path, opa, NEVER[name])
    assert found.answer == PROVED
    assert [one.side for one in found.never_allows] == ["before", "after"]
    assert all(one.file == "shop/authz/authz.rego" and one.line for one in found.never_allows)
    assert not any(one.shape for one in found.never_allows)


def test_only_the_side_that_never_allows_is_told(opa: Opa, tmp_path: Path) -> None:
    rules = ALLOWS, "allow if 1 == 2"
    found = answer(contract(), contract(), tmp_path / "after", opa, *rules)
    assert [one.side for one in found.never_allows] == ["after"]
    found = answer(contract(), contract(), tmp_path / "before", opa, *rules[::-1])
    assert found.answer == REFUTED
    assert [one.side for one in found.never_allows] == ["before"]


def test_a_policy_that_allows_somebody_is_not_told(opa: Opa, tmp_path: Path) -> None:
    assert answer(contract(), contract(version="1.1.0"), tmp_path, opa, ALLOWS).never_allows == ()


def test_a_token_that_is_allowed_and_has_no_successor_is_allowed(opa: Opa, tmp_path: Path) -> None:
    """That the value goes is a matter of the change, not of the side before it."""
    new = contract(claims={"role": {"required": True, "schema": {"enum": ["guest"]}}}, version="1.1.0")
    found = answer(contract(), new, tmp_path, opa, ALLOWS)
    assert [one.side for one in found.never_allows] == ["after"]


@pytest.mark.parametrize("name", SHAPES)
def test_a_decision_of_another_shape_is_named(name: str, opa: Opa, tmp_path: Path) -> None:
    (tmp_path / "shop/authz").mkdir(parents=True)
    (tmp_path / "shop/authz/authz.rego").write_text(f"package shop.authz\n\n{SHAPES[name]}\n")
    sides = (Side(one, tmp_path, "shop/authz/allow") for one in (contract(), contract(version="1.1.0")))
    never = compare_access(*sides, opa=opa).no_new_access.never_allows
    assert [one.shape.startswith(name) for one in never] == [True, True]
    assert "`data.shop.authz.allow`" in str(never[0])
    assert (never[0].file, never[0].line) == ("shop/authz/authz.rego", 3)


def test_a_policy_that_may_allow_before_it_fails_is_not_told(opa: Opa, tmp_path: Path) -> None:
    """OPA may come to the rule that allows first, and never to the one that fails."""
    one = contract(
        claims={
            "role": {"required": True, "schema": {"enum": ["user"]}},
            "n": {"required": True, "schema": {"enum": [0]}},
        }
    )
    rules = f"{ALLOWS}\n\nallow if 1 / input.subject.claims.n > 5"
    assert answer(one, one, tmp_path, opa, rules).never_allows == ()


def leveled(maximum: int, **more: Any) -> Contract:
    level = {"required": True, "schema": {"type": "integer", "minimum": 0, "maximum": maximum}}
    return contract(claims={"role": {"required": True, "schema": {"enum": ["user", "guest"]}}, "level": level}, **more)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("allow if input.subject.claims.level > 9", ["level"]),
        ("allow if {\n\thigh\n}\n\nhigh if input.subject.claims.level > 9", ["level"]),
        ('allow if {\n\tinput.subject.claims.level > 1\n\tinput.subject.claims.role == "root"\n}', ["level"]),
        ('allow if {\n\tinput.subject.claims.level > 1\n\tinput.subject.claims.role == "guest"\n}', []),
        ("allow if {\n\thigh\n\t1 == 2\n}\n\nhigh if input.subject.claims.level > 1", []),
        ("allow if input.subject.claims.level > 9\n\nallow if not input.subject.claims.level > 1", []),
        ("allow if not input.subject.claims.level > 9", []),
        ("", []),
    ],
    ids=["too-high", "in-a-helper", "another-claim", "fires", "helper-fires", "one-of-two", "negated", "unread"],
)
def test_a_changed_claim_of_which_no_reader_can_fire_is_told(
    rules: str, told: list[str], opa: Opa, tmp_path: Path
) -> None:
    found = answer(leveled(3), leveled(5, version="2.0.0"), tmp_path, opa, f"{ALLOWS}\n\n{rules}")
    assert [one.claim for one in found.never_fires] == told
    for one in found.never_fires:
        assert one.rules[0] == f"shop/authz/authz.rego:{one.line}"
        assert "no rule that reads `level` can ever fire, before or after the change" in str(one)


def test_a_reader_that_fires_once_the_claim_changes_is_not_told(opa: Opa, tmp_path: Path) -> None:
    rules = f"{ALLOWS}\n\nallow if input.subject.claims.level > 9"
    found = answer(leveled(3), leveled(10, version="2.0.0"), tmp_path, opa, rules)
    assert (found.answer, found.never_fires) == (REFUTED, ())


def test_a_claim_that_does_not_change_is_not_told(opa: Opa, tmp_path: Path) -> None:
    rules = f"{ALLOWS}\n\nallow if input.subject.claims.level > 9"
    assert answer(leveled(3), leveled(3, version="2.0.0"), tmp_path, opa, rules).never_fires == ()
