"""An approval accepts what was looked at, and no widening beside it: each kind of widening has a witness of its own."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.proof import DEFAULT_EFFORT, METHOD, REFUTED, Answer, Effort, Side, compare_access
from tests.shop import SHOP

ROLES = ["user", "guest"]
BASE: dict[str, Any] = {
    **SHOP,
    "claims": {"level": {"required": True, "schema": {"type": "integer", "minimum": 0, "maximum": 3}}},
    "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
}
GRANTS = """package shop.authz

default allow := false

allow if "auditor" in input.subject.claims.roles

allow if "root" in input.subject.claims.roles

allow if input.subject.claims.level > 3
"""
ANY_NEW = """package shop.authz

default allow := false

allow if {
	some role in input.subject.claims.roles
	startswith(role, "new")
}
"""


def contract(roles: list[str], version: str = "1.0.0", maximum: int = 3, actions: int = 1) -> Contract:
    document = copy.deepcopy(BASE) | {"version": version}
    document["request"]["actions"] = [f"do_{number}" for number in range(actions)]
    document["claims"]["level"]["schema"]["maximum"] = maximum
    schema = {"type": "array", "items": {"enum": roles}, "uniqueItems": True, "maxItems": 2}
    document["claims"]["roles"] = {"required": True, "schema": schema}
    return parse_contract(yaml.safe_dump(document), Path("shop.yaml"), named=False)


def policy(folder: Path, text: str) -> Path:
    (folder / "shop/authz").mkdir(parents=True)
    (folder / "shop/authz/authz.rego").write_text(text)
    return folder


def answer(opa: Opa, old: Contract, new: Contract, *folders: Path, effort: Effort = DEFAULT_EFFORT) -> Answer:
    sides = Side(old, folders[0], old.decision_path), Side(new, folders[-1], new.decision_path)
    return compare_access(*sides, opa=opa, effort=effort).no_new_access


def marks(found: Answer) -> set[str]:
    assert found.answer == REFUTED
    return {witness.fingerprint for witness in found.witnesses}


def approved(found: Answer, accepted: set[str]) -> bool:
    """As the check judges it: witnesses by their fingerprints, and what was not looked at by that of the answer."""
    witnesses = tuple(one.judged_by(accepted) for one in found.witnesses)
    return replace(found, witnesses=witnesses, accepted=found.fingerprint in accepted).passes


def test_two_values_that_are_granted_are_two_witnesses(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, GRANTS)
    found = answer(opa, contract(ROLES), contract([*ROLES, "auditor", "root"], "1.1.0"), folder)
    afters = sorted(witness.scenario.after.claims["roles"] for witness in found.witnesses)
    assert afters == [["auditor"], ["root"]]
    assert len(marks(found)) == 2
    for one in found.witnesses:
        assert not approved(found, {one.fingerprint})
    assert approved(found, marks(found))


TWICE = """package shop.authz

default allow := false

allow if {
	"auditor" in input.subject.claims.roles
	input.subject.claims.level > 1
}

allow if {
	auditor
	input.subject.claims.level < 3
}

auditor if "auditor" in input.subject.claims.roles
"""


@pytest.mark.parametrize("comes", [True, False])
def test_one_value_that_two_rules_grant_is_two_witnesses(comes: bool, opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, TWICE)
    sides = [contract(ROLES), contract([*ROLES, "auditor"], "1.1.0" if comes else "1.0.0")]
    if not comes:
        sides = [sides[1], contract(ROLES, "2.0.0")]
    both_ways = compare_access(*(Side(one, folder, one.decision_path) for one in sides), opa=opa)
    found = both_ways.no_new_access if comes else both_ways.no_lost_access
    assert len(marks(found)) == 2
    rules = sorted(witness.rule for witness in found.witnesses)
    assert ":5 " in rules[0] + rules[1]
    assert ":10 " in rules[0] + rules[1]
    assert all(len(witness.changed) == 1 for witness in found.witnesses)


def test_an_approval_does_not_cover_what_is_added_to_the_version_later(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, GRANTS)
    first = marks(answer(opa, contract(ROLES), contract([*ROLES, "auditor"], "1.1.0"), folder))
    later = answer(opa, contract(ROLES), contract([*ROLES, "auditor", "root"], "1.1.0"), folder)
    assert not approved(later, first)
    ranged = marks(answer(opa, contract(ROLES), contract(ROLES, "1.1.0", maximum=4), folder))
    assert not approved(answer(opa, contract(ROLES), contract(ROLES, "1.1.0", maximum=9), folder), ranged)


def test_an_approval_covers_what_it_covered_when_something_else_is_added(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, GRANTS)
    auditor = marks(answer(opa, contract(ROLES), contract([*ROLES, "auditor"], "1.1.0"), folder))
    both = answer(opa, contract(ROLES), contract([*ROLES, "auditor"], "1.1.0", maximum=4), folder)
    assert auditor < marks(both)
    assert not approved(both, auditor)


def test_an_approval_of_one_change_of_policies_does_not_cover_the_next(opa: Opa, tmp_path: Path) -> None:
    one = contract(ROLES)
    never = policy(tmp_path / "never", GRANTS)
    guests, users = (
        policy(tmp_path / role, f'{GRANTS}\nallow if "{role}" in input.subject.claims.roles\n') for role in ROLES
    )
    first = answer(opa, one, one, never, guests)
    assert approved(first, marks(first))
    assert not approved(answer(opa, one, one, never, users), marks(first))


def test_witnesses_of_a_sample_do_not_answer_for_what_was_not_looked_at(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, GRANTS)
    new = contract([*ROLES, "auditor"], "1.1.0", maximum=900)
    found = answer(opa, contract(ROLES), new, folder, effort=Effort(METHOD, budget=300))
    assert found.coverage.startswith("sampled ")
    assert found.fingerprint
    assert not approved(found, marks(found))
    assert approved(found, {*marks(found), found.fingerprint})


def test_more_kinds_of_witnesses_than_are_shown_cannot_be_approved(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, ANY_NEW)
    new = contract([*ROLES, *(f"new_{number}" for number in range(49))], "1.1.0")
    found = answer(opa, contract(ROLES), new, folder)
    assert found.reason == "there are more kinds of witnesses than are shown"
    assert found.fingerprint == ""
    assert not approved(found, marks(found))


def test_fingerprints_do_not_depend_on_the_order_of_a_vocabulary(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, GRANTS)
    one, other = [*ROLES, "auditor", "root"], ["root", "auditor", *ROLES]
    first = marks(answer(opa, contract(ROLES), contract(one, "1.1.0"), folder))
    assert first == marks(answer(opa, contract(ROLES), contract(other, "1.1.0"), folder))
