"""A question has a limit as a whole; where it is reached the answer is unknown and names the rule that was too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.contract import load_file
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Access, Effort, Side, compare_access
from tests.shop import shop_contract

CONTRACT = shop_contract(
    "claims:\n  name: {{required: true, schema: {{type: string, maxLength: 12}}}}\n", rule="allow"
).format(version="1.0.0")
POLICY = """package shop.authz

default allow := false

allow if input.action.name == "read"

allow if {
	startswith(input.subject.claims.name, "team-")
	regex.match(`^[a-z]+-[0-9]+$`, input.subject.claims.name)%s
}
"""
NARROWER = '\n\tendswith(input.subject.claims.name, "7")'
HEAVY = "shop/authz/authz.rego:7"


class Clock:
    """Stands still for so many readings; each later one is an hour after the one before."""

    def __init__(self, readings: int) -> None:
        self.readings = readings
        self.now = 0.0

    def __call__(self) -> float:
        self.readings -= 1
        self.now += 3600.0 if self.readings < 0 else 0.0
        return self.now


def compared(folder: Path, opa: Opa, clock: Clock, narrower: str = NARROWER) -> Access:
    file = folder / "1.0.0.yaml"
    file.write_text(CONTRACT)
    contract = load_file(file, named=False).contract
    sides = []
    for name, more in (("old", ""), ("new", narrower)):
        place = folder / name
        (place / "shop" / "authz").mkdir(parents=True, exist_ok=True)
        (place / "shop" / "authz" / "authz.rego").write_text(POLICY % more)
        sides.append(Side(contract, place, contract.decision_path))
    return compare_access(sides[0], sides[1], opa=opa, effort=Effort(budget=100, clock=clock))


def test_question_within_its_limit_is_answered(tmp_path: Path, opa: Opa) -> None:
    found = compared(tmp_path, opa, Clock(10_000))
    assert (found.no_new_access.answer, found.no_lost_access.answer) == (PROVED, REFUTED)


@pytest.mark.parametrize("readings", [2, 3])
def test_limit_that_ends_the_solver_names_the_rule_that_asks_the_most(readings: int, tmp_path: Path, opa: Opa) -> None:
    answer = compared(tmp_path, opa, Clock(readings)).no_new_access
    assert (answer.answer, answer.passes) == (UNKNOWN, False)
    limit, _, rule = answer.reason.partition("; ")
    assert limit == "the limit of 60 seconds a question is reached"
    assert rule == f"the rule that asks the most of it is at `{HEAVY}`"


def test_limit_that_ends_the_execution_names_the_policy(tmp_path: Path, opa: Opa) -> None:
    answer = compared(tmp_path, opa, Clock(1)).no_new_access
    assert answer.answer == UNKNOWN
    assert "shop/authz/authz.rego" in answer.reason
    assert "takes too long to follow" in answer.reason
