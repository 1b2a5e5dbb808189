"""Values as cases: merging loses no way in which a value comes, and cases exclude each other."""

from __future__ import annotations

import itertools

from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, Term, conj, neg, variable
from entitlements.proof.symbolic.values.value import Const, Value, constant, from_truth, joined

A, B = variable("a", BOOL), variable("b", BOOL)


def document(value: Value, a: bool, b: bool) -> object:
    assignment = Assignment({"a": a, "b": b}, {}, lambda *_: False, lambda _: None)
    found = assignment.document(value)
    return found if assignment.present(found) else "undefined"


def test_value_that_comes_in_several_ways_is_there_in_each() -> None:
    parts: list[tuple[Term, Value]] = [
        (conj(A, B), constant(1)),
        (conj(A, neg(B)), constant(2)),
        (conj(neg(A), B), constant(1)),
    ]
    value = joined(parts)
    wanted = {(True, True): 1, (True, False): 2, (False, True): 1, (False, False): "undefined"}
    for a, b in itertools.product((True, False), repeat=2):
        assert document(value, a, b) == wanted[a, b]
    assert len(value.cases) == 2


def test_value_is_undefined_where_its_condition_does_not_hold() -> None:
    value = constant("x").where(A).where(B)
    for a, b in itertools.product((True, False), repeat=2):
        assert document(value, a, b) == ("x" if a and b else "undefined")


def test_condition_as_a_value_is_true_or_false() -> None:
    value = from_truth(A)
    assert [document(value, a, False) for a in (True, False)] == [True, False]


def test_numbers_are_one_constant_by_value_and_booleans_are_none() -> None:
    assert Const(1) is Const(1.0)
    assert Const(1) is not Const(True)
    assert Const("1") is not Const(1)
