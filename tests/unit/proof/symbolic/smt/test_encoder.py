"""Terms as SMT-LIB: a variable with few values has one of all its values, not of those that a question names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from entitlements.proof.symbolic.smt.encoder import write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import (
    INT,
    REAL,
    Term,
    arithmetic,
    choice,
    equal,
    less,
    neg,
    number,
    variable,
)

A, B, C = (choice("role", place, 3) for place in range(3))
N, X = variable("n", INT), variable("x", REAL)


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver(seconds=60) as one:
        yield one


@pytest.mark.parametrize(
    ("goals", "answer"),
    [
        ([neg(A), neg(B)], SAT),
        ([neg(A)], SAT),
        ([neg(A), neg(B), neg(C)], UNSAT),
        ([neg(A), neg(B), C], SAT),
        ([less(N, number(3)), less(number(1), N)], SAT),
        ([less(N, number(2)), less(number(1), N)], UNSAT),
        ([less(X, number(2)), less(number(1), X)], SAT),
        ([equal(arithmetic("%", N, number(3)), number(-1)), equal(N, number(-4))], SAT),
        ([equal(arithmetic("%", N, number(3)), number(2)), equal(N, number(-4))], UNSAT),
        ([equal(arithmetic("-", X, N), number(1)), equal(X, number(-5)), equal(N, number(-6))], SAT),
    ],
    ids=range(10),
)
def test_question_can_hold_where_some_value_meets_it(goals: Sequence[Term], answer: str, solver: Solver) -> None:
    assert solver.solve(write_query(goals, {}, lambda *_: False).script).answer == answer
