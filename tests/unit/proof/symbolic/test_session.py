"""Asking the solver: what one encoding finds no answer to in its share of the time is put in the other encoding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from entitlements.contract import parse_contract
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.token_pair import make_token_pair
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, UNSAT, Solved, Solver
from entitlements.proof.symbolic.terms.string_terms import PREFIX, on_string
from entitlements.proof.symbolic.terms.term import STRING_SORT, Term, equal, string, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import constant
from tests.shop import SHOP

CONTRACT = parse_contract(
    json.dumps({**SHOP, "claims": {"name": {"required": True, "schema": {"type": "string", "maxLength": 8}}}}),
    Path("shop.yaml"),
    named=False,
)
NAME = variable("name", STRING_SORT)
PATTERNED = on_string(PREFIX, "a", NAME)
PLAIN = equal(NAME, string("a"))


class FakeSolver:
    """Behind the solver port: gives the answers that it was given, one a question, and keeps what it was asked."""

    seconds = 60.0

    def __init__(self, *answers: Solved) -> None:
        self._answers = [*answers]
        self.asked: list[tuple[str, float]] = []

    def solve(self, asked: str, *, share: float = 1.0) -> Solved:
        self.asked.append((asked, share))
        return self._answers.pop(0)


def session(solver: Any) -> Session:
    inputs = Inputs(Algebra(Limits()))
    sides = make_token_pair(inputs, CONTRACT, CONTRACT, request_of=1)
    # What a policy decides is not asked for here.
    nothing: Any = None
    return Session(Question(sides, inputs, nothing, one_policy=True, decide=nothing), solver)


TIMED_OUT = Solved(UNDECIDED, reason="timeout")


@pytest.mark.parametrize("answer", [SAT, UNSAT, UNDECIDED])
def test_question_that_timed_out_is_asked_in_the_other_encoding(answer: str) -> None:
    solver = FakeSolver(TIMED_OUT, Solved(answer))
    found = session(solver)
    query, solved = found.solve([PATTERNED])
    (first, share), (second, rest) = solver.asked
    assert solved.answer == answer
    assert first != second
    assert query.script == second
    assert found.queries == [first, second]
    assert 0 < share < rest
    assert share + rest == 1


@pytest.mark.parametrize("answer", [SAT, UNSAT])
def test_question_with_an_answer_is_asked_once(answer: str) -> None:
    solver = FakeSolver(Solved(answer))
    assert session(solver).solve([PATTERNED])[1].answer == answer
    assert len(solver.asked) == 1


@pytest.mark.parametrize(("goal", "asked"), [(PLAIN, 1), (PATTERNED, 2)], ids=["plain", "patterned"])
def test_question_without_patterns_has_one_encoding_and_all_the_time(goal: Term, asked: int) -> None:
    solver = FakeSolver(TIMED_OUT, TIMED_OUT)
    assert session(solver).solve([goal])[1].answer == UNDECIDED
    assert len(solver.asked) == asked
    assert sum(share for _, share in solver.asked) == 1


@pytest.mark.parametrize(("answer", "never"), [(UNSAT, True), (SAT, False), (UNDECIDED, False)])
def test_time_out_is_never_taken_for_impossible(answer: str, never: bool) -> None:
    # What the contract demands can be met, as it is asked next.
    assert session(FakeSolver(Solved(answer), Solved(SAT))).never([PLAIN]) is never


@pytest.mark.parametrize("demands", [UNSAT, UNDECIDED])
def test_nothing_is_impossible_where_perhaps_no_value_is_permitted(demands: str) -> None:
    asked = session(FakeSolver(Solved(UNSAT), *[Solved(demands)] * 9))
    assert not asked.never([PLAIN])


@pytest.mark.parametrize(("before", "after", "answer"), [("a", "a", SAT), ("a", "b", UNSAT), ("a", "c", SAT)])
def test_tokens_that_the_relation_excludes_are_no_model(before: str, after: str, answer: str) -> None:
    """A role that both versions permit stays, or becomes one that is new."""

    def declared(*roles: str) -> Any:
        claims = {"role": {"required": True, "schema": {"enum": [*roles]}}}
        return parse_contract(json.dumps({**SHOP, "claims": claims}), Path("shop.yaml"), named=False)

    inputs, nothing = Inputs(Algebra(Limits())), cast(Any, None)
    sides = make_token_pair(inputs, declared("a", "b"), declared("a", "b", "c"), request_of=1)
    with Solver(seconds=60) as solver:
        asked = Session(Question(sides, inputs, nothing, one_policy=True, decide=nothing), solver)
        goals = [
            inputs.algebra.equal(token.claims["role"], constant(role))
            for token, role in zip(sides.tokens, (before, after), strict=True)
        ]
        assert asked.solve(goals)[1].answer == answer
