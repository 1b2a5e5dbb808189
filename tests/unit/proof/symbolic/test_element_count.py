"""How many elements of a truncated list the decisions of both sides can depend on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.symbolic.encode import Policy, encode
from entitlements.proof.symbolic.inputs.inputs import LOOKED_AT
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import neg
from tests.shop import SHOP

LIST = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 8}
CONTRACT = parse_contract(
    json.dumps(
        {
            **SHOP,
            "claims": {"one": {"required": True, "schema": LIST}},
            "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
        }
    ),
    Path("shop.yaml"),
    named=False,
)
HEAD = "package shop.authz\n\n"
ALWAYS = HEAD + "allow := true\n"
# Two different values of one rule, of which OPA gives no decision: each needs two elements, and none serves both.
CONFLICT = (
    HEAD
    + """allow if m >= 0

allow if not m

m := x if {
	some x in input.subject.claims.one
	x < 10
	some y in input.subject.claims.one
	y == x + 10
}
"""
)
# Without the conflict: the same readings, that give one value.
PAIR = CONFLICT.replace("m := x if", "m := 1 if").replace("not m", "not m == 1")
FOUR = (
    HEAD
    + "allow if not four\n\nfour if {\n"
    + "".join(f"\t{n} in input.subject.claims.one\n" for n in range(4))
    + "}\n"
)


def lost(opa: Opa, rule: str) -> tuple[dict[str, int | None], str]:
    """How many elements are counted of each list, and whether access can be lost that `ALWAYS` gave."""
    policies = [Policy(build_plan(opa, {"a.rego": text.encode()}, "shop/authz/allow")) for text in (ALWAYS, rule)]
    question = encode((CONTRACT, CONTRACT), (policies[0], policies[1]), BuiltinCalls(opa), request_of=1)
    assert question.inputs.sizes["one"] >= max(LOOKED_AT, question.needs["one"] or 0)
    with Solver(seconds=60) as solver:
        answer = Session(question, solver).solve([question.allowed(0), neg(question.allowed(1))])[1].answer
    return question.needs, answer


@pytest.mark.parametrize(
    ("rule", "needed", "answer"),
    [(CONFLICT, 4, SAT), (PAIR, 2, UNSAT), (FOUR, 4, SAT)],
    ids=["conflict of pairs", "one pair", "four elements"],
)
def test_as_many_elements_are_looked_at_as_a_denial_needs(opa: Opa, rule: str, needed: int, answer: str) -> None:
    """More than are looked at to begin with; a conflict needs twice what one value needs."""
    assert lost(opa, rule) == ({"one": needed}, answer)


def test_enough_elements_are_looked_at_to_begin_with_to_see_that_a_rule_may_conflict() -> None:
    """With one element no rule has two values, and the count would not be doubled."""
    assert LOOKED_AT >= 2
