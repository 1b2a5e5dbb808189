"""Looking at points: all of them where they fit the budget, else a sample that is never called exhaustive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.proof.checkable import checkable
from entitlements.proof.decisions import Decisions
from entitlements.proof.enumeration.enumerator import enumerate_scenarios
from entitlements.proof.enumeration.space import Space
from tests.shop import SHOP

ROLES = ["a", "b", "c", "d"]
CONTRACT = parse_contract(
    json.dumps(
        {
            **SHOP,
            "claims": {"role": {"required": True, "schema": {"enum": ROLES}}},
            "request": {"actions": ["read", "write"], "resources": {"item": {"properties": {}}}},
            "policy": {"package": "shop.authz", "rule": "decision"},
        }
    ),
    Path("shop.yaml"),
    named=False,
)
ALLOWED = 'decision := {{"allow": input.subject.claims.role in {roles}, "obligations": {duties}}}'


@contextmanager
def sides(opa: Opa, folder: Path, *policies: str) -> Iterator[tuple[Space, Decisions]]:
    with ExitStack() as stack:
        engines, readings = [], []
        for number, text in enumerate(policies):
            place = folder / f"p{number}" / "shop" / "authz"
            place.mkdir(parents=True)
            (place / "authz.rego").write_text(f"package shop.authz\n\n{text}\n")
            engines.append(stack.enter_context(BatchEngine(opa, folder / f"p{number}", CONTRACT.decision_path)))
            readings.append(checkable(opa, folder / f"p{number}", CONTRACT.decision_path))
        yield Space(CONTRACT, CONTRACT, readings), Decisions(CONTRACT, CONTRACT, (engines[0], engines[1]))


def decision(roles: list[str], duties: str = "[]") -> str:
    return ALLOWED.format(roles=json.dumps(roles), duties=duties)


@pytest.mark.parametrize(("widening", "turned"), [(True, {"c"}), (False, {"a"})])
def test_every_point_that_turns_is_found(widening: bool, turned: set[str], opa: Opa, tmp_path: Path) -> None:
    with sides(opa, tmp_path, decision(["a", "b"]), decision(["b", "c"])) as (space, decisions):
        found = enumerate_scenarios(space, decisions, widening=widening, budget=space.size, seed=1)
    assert found.exhaustive
    assert found.scenarios == space.size
    assert {point.after.claims["role"] for point in found.changed_decisions} == turned
    assert {point.action for point in found.changed_decisions} == {"read", "write"}
    assert found.lost_obligations == []


def test_allow_that_lost_an_obligation_is_no_turn_but_a_loss(opa: Opa, tmp_path: Path) -> None:
    policies = decision(["a"], '[{"id": "log"}]'), decision(["a", "b"])
    with sides(opa, tmp_path, *policies) as (space, decisions):
        found = enumerate_scenarios(space, decisions, widening=True, budget=space.size, seed=1)
    assert {point.after.claims["role"] for point in found.lost_obligations} == {"a"}
    assert {point.after.claims["role"] for point in found.changed_decisions} == {"b"}


def test_sample_keeps_its_budget_and_is_not_exhaustive(opa: Opa, tmp_path: Path) -> None:
    with sides(opa, tmp_path, decision([]), decision(ROLES)) as (space, decisions):
        found = enumerate_scenarios(space, decisions, widening=True, budget=space.size - 1, seed=1)
    assert not found.exhaustive
    assert 0 < found.scenarios < space.size
    assert len(found.changed_decisions) == found.scenarios
