"""Rules executed on conditions: what several definitions give together, for every assignment of two inputs."""

from __future__ import annotations

import itertools

import pytest

from entitlements.engine import Opa
from entitlements.engine.plan_build import build_plan
from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.execution.executor import Executor
from entitlements.proof.symbolic.execution.plan import read_plan
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, TRUE, conj, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Const, Object, constant, from_truth, of_leaf

INPUTS = of_leaf(Object(tuple((TRUE, Const(name), from_truth(variable(name, BOOL))) for name in "ab")))
BOTH_WAYS = [*itertools.product((True, False), repeat=2)]
RULES = {
    "one element of two rules": (
        'm contains "x" if input.a\n\nm contains "x" if input.b',
        lambda a, b: ["x"] * (a or b),
    ),
    "an element of each rule": (
        'm contains "x" if input.a\n\nm contains "y" if input.b',
        lambda a, b: ["x"] * a + ["y"] * b,
    ),
    "a member of each rule": (
        'm["x"] := 1 if input.a\n\nm["y"] := 2 if input.b',
        lambda a, b: {name: value for name, value, there in (("x", 1, a), ("y", 2, b)) if there},
    ),
    "a list of what is there": (
        "m := [x | some x in [c, d]]\n\nc := 1 if input.a\n\nd := 2",
        lambda a, _b: [1, 2] if a else [],
    ),
    "an else": ("m := 1 if input.a\n\nelse := 2 if input.b", lambda a, b: 1 if a else 2 if b else None),
    "a negation": ("m := 1 if not input.a", lambda a, _b: None if a else 1),
    "every element": ("m := 1 if every x in [input.a, input.b] { x }", lambda a, b: 1 if a and b else None),
    "some element": ("m := 1 if { some x in [input.a, input.b]; x }", lambda a, b: 1 if a or b else None),
}


def executed(opa: Opa, rules: str) -> tuple[object, dict[object, object]]:
    plan = build_plan(opa, {"a.rego": f"package a\n\n{rules}\n".encode()}, "a/m")
    limits = Limits()
    algebra = Algebra(limits)
    read = read_plan(plan.plan, plan.entrypoint)

    def nothing_asked(*_: object, **__: object) -> list[object]:
        raise AssertionError("there is no built-in here")

    builtins = Builtins(read.builtins, algebra, limits, nothing_asked)
    value, errors = Executor(read, constant({}), builtins, algebra, limits).decision(INPUTS)
    return algebra.member(value, constant("result")), dict(errors)


def assigned(a: bool, b: bool) -> Assignment:
    return Assignment({"a": a, "b": b}, {}, lambda *_: False, lambda _: None)


@pytest.mark.parametrize("name", RULES)
def test_rules_give_what_their_conditions_say(name: str, opa: Opa) -> None:
    rules, wanted = RULES[name]
    value, errors = executed(opa, rules)
    assert errors == {}
    for a, b in BOTH_WAYS:
        found = assigned(a, b).document(value)
        assert (found if Assignment.present(found) else None) == wanted(a, b), (a, b)


def test_two_values_of_one_rule_fail_where_both_conditions_hold(opa: Opa) -> None:
    _, errors = executed(opa, "m := 1 if input.a\n\nm := 2 if input.b")
    ((_, condition),) = errors.items()
    assert condition is conj(variable("a", BOOL), variable("b", BOOL))
