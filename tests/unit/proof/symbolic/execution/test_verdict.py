"""When a decision object is an allow: as strictly as the service reads it, its limits included."""

from __future__ import annotations

import pytest

from entitlements.engine.answer import MAX_OBLIGATIONS, MAX_REASONS
from entitlements.proof.symbolic.execution.verdict import ReadDecision, read_decision
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Array, Const, Object, Value, constant, of_leaf


def decision(**members: Value) -> ReadDecision:
    inner = of_leaf(Object(tuple((TRUE, Const(name), member) for name, member in members.items())))
    return read_decision(Algebra(Limits()), of_leaf(Object(((TRUE, Const("result"), inner),))))


def held(found: ReadDecision, present: int) -> tuple[bool, bool]:
    """Whether it is an allow, and whether that is in doubt, where so many of the elements are there."""
    assignment = Assignment({f"has {n}": n < present for n in range(99)}, {}, lambda *_: False, lambda _: None)
    return assignment.of(found.allow), assignment.of(found.doubtful)


def many(items: list[Value]) -> Value:
    return of_leaf(Array(tuple((variable(f"has {n}", BOOL), item) for n, item in enumerate(items)), prefix=False))


@pytest.mark.parametrize(
    ("name", "most", "item"),
    [("reasons", MAX_REASONS, "code"), ("obligations", MAX_OBLIGATIONS, {"id": "step_up"})],
)
def test_more_elements_than_the_service_reads_are_in_doubt(name: str, most: int, item: object) -> None:
    """The service gives no decision of a longer list: what the proof reads of it has to stay open."""
    found = decision(allow=constant(True), **{name: many([constant(item)] * (most + 1))})
    assert held(found, most) == (True, False)
    assert held(found, most + 1)[1]


@pytest.mark.parametrize("value", [1, "true", None, [True], {"allow": True}], ids=str)
def test_only_the_literal_true_allows(value: object) -> None:
    assert held(decision(allow=constant(True)), 0) == (True, False)
    assert held(decision(allow=constant(value)), 0) == (False, False)


@pytest.mark.parametrize(
    "members",
    [
        {"reasons": ["No Code"]},
        {"reasons": [1]},
        {"reasons": "code"},
        {"obligations": [{"level": 1}]},
        {"obligations": [{"id": 1}]},
        {"obligations": ["step_up"]},
        {"obligations": {}},
        {"other": 1},
    ],
    ids=str,
)
def test_malformed_decision_is_no_allow(members: dict[str, object]) -> None:
    found = decision(allow=constant(True), **{name: constant(value) for name, value in members.items()})
    assert held(found, 0)[0] is False
