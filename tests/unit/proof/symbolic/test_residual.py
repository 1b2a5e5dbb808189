"""What is left of a goal once all but some conditions are those of an assignment."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.proof.symbolic.residual import residual
from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown
from entitlements.proof.symbolic.terms.term import BOOL, FALSE, TRUE, Term, choice, conj, disj, neg, variable

LEFT, OTHER = variable("left", BOOL), variable("other", BOOL)
TRUTH, LIE, UNKNOWN = choice("x", 0, 2), choice("x", 1, 2), variable("unknown", BOOL)


def unknown(term: Term) -> Any:
    raise NotKnown(str(term))


ASSIGNED = Assignment({}, {"x": 0}, lambda *_: False, unknown)


@pytest.mark.parametrize(
    ("goal", "left"),
    [
        (TRUTH, TRUE),
        (LIE, FALSE),
        (LEFT, LEFT),
        (conj(TRUTH, LEFT), LEFT),
        (conj(LIE, LEFT), FALSE),
        (disj(LIE, LEFT), LEFT),
        (disj(TRUTH, LEFT), TRUE),
        (neg(conj(TRUTH, LEFT)), neg(LEFT)),
        (conj(disj(LIE, LEFT), neg(OTHER)), conj(LEFT, neg(OTHER))),
        (conj(UNKNOWN, LEFT), FALSE),
        (neg(UNKNOWN), FALSE),
    ],
    ids=["true", "false", "atom", "and", "and-false", "or", "or-true", "not", "nested", "unknown", "not-unknown"],
)
def test_goal_is_left_to_the_atoms(goal: Term, left: Term) -> None:
    assert residual(goal, ASSIGNED, {LEFT, OTHER}) is left


def test_nothing_is_left_where_there_is_no_assignment() -> None:
    assert residual(TRUE, None, set()) is FALSE
