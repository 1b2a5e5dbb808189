"""Claims that are read at a source: what a change of the reading may do, through the check itself, with real OPA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED

from .test_traps import Case, cases, contract, held, with_claims

ROLES: dict[str, Any] = {"type": "array", "items": {"enum": ["user", "banned"]}, "uniqueItems": True, "maxItems": 2}
PLAN: dict[str, Any] = {"required": True, "schema": {"enum": ["free", "gold"]}}
DEEP: dict[str, Any] = {"source": ["realm_access", "roles"], "schema": ROLES}
IGNORES = {**DEEP, "ignore_items": ["own"]}
ABSENT_IS_EMPTY = {**DEEP, "absent": "empty"}
LEVEL = {"required": True, "schema": {"enum": [1, 2]}}


def both(one: dict[str, Any], other: dict[str, Any], **more: Any) -> tuple[Contract, Contract]:
    return with_claims(roles=one, **more), with_claims(roles=other, **more)


def plans(one: dict[str, Any], other: dict[str, Any]) -> tuple[Contract, Contract]:
    return with_claims(plan={**PLAN, **one}), with_claims(plan={**PLAN, **other})


def scopes(*names: list[str]) -> tuple[Contract, Contract]:
    """Contracts without a claim."""
    one, other = (contract(claims={}, scopes={name: {"claims": []} for name in listed}) for listed in names)
    return one, other


READ = 'allow if "read" in input.subject.scopes'
NOT_READ = 'allow if not "read" in input.subject.scopes'
NOT_BANNED = 'allow if not "banned" in input.subject.claims.roles'
USER = 'allow if "user" in input.subject.claims.roles'
GOLD = 'allow if input.subject.claims.plan == "gold"'
ANY_LIST = "allow if input.subject.claims.roles"
AND_A_LIST = 'allow if {\n\tinput.subject.claims.role == "user"\n\tinput.subject.claims.roles\n}'
OTHER = 'allow if input.subject.claims.role == "user"'


@cases(
    Case("another source", REFUTED, *plans({}, {"source": ["ext", "plan"]}), GOLD),
    Case("another source that nobody reads", PROVED, *plans({}, {"source": ["ext", "plan"]}), OTHER),
    Case("the same source", PROVED, *plans({"source": ["plan"]}, {}), GOLD),
    Case("another source of introspection", REFUTED, *plans({}, {"introspection_source": ["ext", "plan"]}), GOLD),
    Case("a list as a set", REFUTED, *both(DEEP, {**DEEP, "as": "set"}), USER),
    Case("an overage marker goes", REFUTED, *both({**DEEP, "overage": ["hasgroups"]}, DEEP), NOT_BANNED),
    Case("an absent list is empty", REFUTED, *both(DEEP, ABSENT_IS_EMPTY), ANY_LIST),
    Case("an absent list was empty", PROVED, *both(ABSENT_IS_EMPTY, ABSENT_IS_EMPTY), ANY_LIST, ANY_LIST + "\n"),
    Case("an empty list is there", PROVED, *both(ABSENT_IS_EMPTY, ABSENT_IS_EMPTY), AND_A_LIST, OTHER),
    Case("an absent list is not", REFUTED, *both(DEEP, DEEP), AND_A_LIST, OTHER),
    Case("an empty list is there always", REFUTED, *both(ABSENT_IS_EMPTY, ABSENT_IS_EMPTY), OTHER, ANY_LIST),
    Case("more is ignored and a list of what is forbidden", REFUTED, *both(DEEP, IGNORES), NOT_BANNED),
    Case("more is ignored and a list of what is permitted", PROVED, *both(DEEP, IGNORES), USER),
    Case("less is ignored", PROVED, *both(IGNORES, DEEP), NOT_BANNED),
    Case("what is ignored stays", PROVED, *both(IGNORES, IGNORES, level=LEVEL), NOT_BANNED),
    Case("another item is ignored", REFUTED, *both(IGNORES, {**DEEP, "ignore_items": ["other"]}), NOT_BANNED),
)  # fmt: skip
def test_a_change_of_the_reading(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@pytest.mark.parametrize("claim", [DEEP, IGNORES, ABSENT_IS_EMPTY, {**DEEP, "as": "set"}], ids=str)
def test_a_reading_that_stays_gives_nothing(claim: dict[str, Any], opa: Opa, tmp_path: Path) -> None:
    held(Case("same", PROVED, *both(claim, claim), NOT_BANNED, NOT_BANNED + "\n"), tmp_path, opa)


@cases(
    Case("a scope that goes", REFUTED, *scopes(["read", "write"], ["write"]), NOT_READ),
    Case("a scope that is needed goes", PROVED, *scopes(["read", "write"], ["write"]), READ),
)  # fmt: skip
def test_contracts_with_scopes_alone(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)
