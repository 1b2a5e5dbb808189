"""Which look-ups the rule index of OPA makes before a body: those of rules that do not all give one constant."""

from __future__ import annotations

import pytest

from entitlements.engine import Opa
from entitlements.engine.plan_build import build_plan
from entitlements.proof.symbolic.execution.plan import Function, each_statement, read_plan
from entitlements.proof.symbolic.execution.rule_index import asked_of_collections

ASKED = {
    "a partial rule": 'm contains "x" if data.t[input.n]',
    "a rule of two values": 'm := "x" if data.t[input.n]\n\nm := "y" if data.t[input.k]',
    "a rule of what it finds": "m := v if { v := input.v; data.t[input.n] }",
}
NOT_ASKED = {
    "a rule of one constant": 'm := "x" if data.t[input.n]',
    "a rule of one constant, twice": 'm := "x" if data.t[input.n]\n\nm := "x" if data.t[input.k]',
    "a rule of true": "m if data.t[input.n]",
    "a negated look-up": 'm contains "x" if not data.t[input.n]',
}


def rule(opa: Opa, text: str) -> Function:
    files = {"a.rego": f"package a\n\n{text}\n".encode(), "data.json": b'{"t": {"1": true}}'}
    plan = build_plan(opa, files, "a/m")
    (found,) = (one for one in read_plan(plan.plan, plan.entrypoint).functions.values() if one.path[-1:] == ("m",))
    return found


@pytest.mark.parametrize("name", ASKED)
def test_look_up_that_the_index_makes_is_known_from_its_first_step(name: str, opa: Opa) -> None:
    function = rule(opa, ASKED[name])
    looked_up = {
        one.operands["target"] for block in function.blocks for one in each_statement(block) if one.kind == "Dot"
    }
    found = asked_of_collections(function)
    assert found & looked_up


@pytest.mark.parametrize("name", NOT_ASKED)
def test_look_up_that_the_index_does_not_make_is_left_alone(name: str, opa: Opa) -> None:
    assert asked_of_collections(rule(opa, NOT_ASKED[name])) == frozenset()
