"""Every operator of terms means one thing: to the simplifier, to the evaluator and to the solver."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown
from entitlements.proof.symbolic.smt.encoder import write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_relations import digits, holds_of
from entitlements.proof.symbolic.terms.string_terms import (
    INFIX,
    SUBSTRING,
    SUFFIX,
    concatenation,
    length,
    on_string,
    part,
    timestamp,
)
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    INT,
    REAL,
    STRING_SORT,
    Term,
    application,
    arithmetic,
    choice,
    conditional,
    conj,
    count,
    disj,
    equal,
    is_whole,
    less,
    neg,
    number,
    string,
    subterms,
    truth,
    variable,
)
from entitlements.proof.symbolic.terms.timestamps import DATE

PACKAGE = Path(__file__).resolve().parents[5] / "entitlements" / "proof" / "symbolic"


@dataclass(frozen=True)
class Sample:
    """How a term with an operator is made of arguments, and values of those: what the term is at each."""

    make: Callable[..., Term]
    sorts: Sequence[str]
    points: Sequence[tuple[Sequence[Any], Any]]


BOTH = (BOOL, BOOL)
SAMPLES = {
    Op.NOT: Sample(neg, (BOOL,), [([True], False), ([False], True)]),
    Op.AND: Sample(conj, BOTH, [([True, True], True), ([True, False], False)]),
    Op.OR: Sample(disj, BOTH, [([False, True], True), ([False, False], False)]),
    Op.EQUAL: Sample(equal, (INT, INT), [([2, 2], True), ([2, 3], False)]),
    Op.LESS: Sample(less, (INT, INT), [([2, 3], True), ([2, 2], False), ([3, 2], False)]),
    Op.AT_MOST: Sample(lambda a, b: less(a, b, strict=False), (INT, INT), [([2, 2], True), ([3, 2], False)]),
    Op.PLUS: Sample(lambda a, b: arithmetic("+", a, b), (INT, INT), [([2, -5], -3)]),
    Op.MINUS: Sample(lambda a, b: arithmetic("-", a, b), (INT, INT), [([2, -5], 7)]),
    Op.TIMES: Sample(lambda a, b: arithmetic("*", a, b), (INT, INT), [([2, -5], -10)]),
    Op.REMAINDER: Sample(lambda a: arithmetic("%", a, number(3)), (INT,), [([5], 2), ([-5], -2), ([-6], 0)]),
    Op.QUOTIENT: Sample(lambda a: arithmetic("div", a, number(3)), (INT,), [([5], 1), ([-5], -2), ([-6], -2)]),
    Op.IF: Sample(conditional, (BOOL, INT, INT), [([True, 1, 2], 1), ([False, 1, 2], 2)]),
    Op.COUNT: Sample(lambda a, b: count([a, b]), BOTH, [([True, True], 2), ([False, True], 1), ([False, False], 0)]),
    Op.IS_WHOLE: Sample(is_whole, (REAL,), [([Fraction(3)], True), ([Fraction(5, 2)], False)]),
    Op.ON_STRING: Sample(
        lambda a: on_string(SUFFIX, "b", a), (STRING_SORT,), [(["ab"], True), (["ba"], False), ([""], False)]
    ),
    Op.ON_STRINGS: Sample(
        lambda a, b: holds_of(INFIX, a, b), (STRING_SORT, STRING_SORT), [(["b", "abc"], True), (["abc", "b"], False)]
    ),
    Op.PART: Sample(
        lambda a: part(SUBSTRING, "[1, 2]", a), (STRING_SORT,), [(["abcd"], "bc"), (["ab"], "b"), ([""], "")]
    ),
    Op.CONCAT: Sample(lambda a, b: concatenation([a, b]), (STRING_SORT, STRING_SORT), [(["a", "b"], "ab")]),
    Op.LENGTH: Sample(length, (STRING_SORT,), [(["ab"], 2), ([""], 0)]),
    Op.DIGITS: Sample(digits, (INT,), [([12], "12"), ([-3], "-3"), ([0], "0")]),
    Op.TIMESTAMP: Sample(lambda a: timestamp(DATE, a), (INT,), [([20_000], "2024-10-04")]),
}
# What a node is by itself: a constant, a variable, and a function of which only equality is known.
LEAVES = {Op.CONST, Op.VAR, Op.CHOICE, Op.APPLY}
# The simplifier leaves these to `decide`, which knows more than constants tell.
NOT_FOLDED = {Op.ON_STRING, Op.PART}
EACH = pytest.mark.parametrize("op", SAMPLES)


def constant(value: Any) -> Term:
    if isinstance(value, bool):
        return truth(value)
    return string(value) if isinstance(value, str) else number(value)


def opened(sample: Sample) -> tuple[list[Term], Term]:
    variables = [variable(f"x{place}", sort) for place, sort in enumerate(sample.sorts)]
    return variables, sample.make(*variables)


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver() as made:
        yield made


def holds(solver: Solver, *goals: Term) -> bool:
    answer = solver.solve(write_query(goals, {}, lambda *_: False).script).answer
    assert answer in (SAT, UNSAT)
    return answer == SAT


def test_every_operator_has_a_sample() -> None:
    assert SAMPLES.keys() | LEAVES == {*Op}
    for op, sample in SAMPLES.items():
        assert op in {term.op for term in subterms([opened(sample)[1]])}, op


@EACH
def test_evaluator_gives_what_the_operator_means(op: Op) -> None:
    variables, term = opened(SAMPLES[op])
    for arguments, wanted in SAMPLES[op].points:
        known = {one.args[0]: value for one, value in zip(variables, arguments, strict=True)}
        found = Assignment(known, {}, lambda *_: False, lambda _: None).of(term)
        assert (type(found) is bool, found) == (type(wanted) is bool, wanted), arguments


@EACH
def test_solver_is_told_what_the_operator_means(op: Op, solver: Solver) -> None:
    variables, term = opened(SAMPLES[op])
    for arguments, wanted in SAMPLES[op].points:
        known = [_is(one, value) for one, value in zip(variables, arguments, strict=True)]
        if op is Op.TIMESTAMP:
            # Its digits are a variable, of which the question says all that it compares them with.
            assert holds(solver, *known, less(string(wanted), term, strict=False))
            assert not holds(solver, *known, less(string(wanted), term))
            continue
        assert holds(solver, *known, _is(term, wanted)), arguments
        assert not holds(solver, *known, neg(_is(term, wanted))), arguments


def _is(term: Term, value: Any) -> Term:
    if isinstance(value, bool):
        return term if value else neg(term)
    return equal(term, constant(value))


@pytest.mark.parametrize("op", [op for op in SAMPLES if op not in NOT_FOLDED])
def test_simplifier_folds_constants_to_what_the_operator_means(op: Op) -> None:
    for arguments, wanted in SAMPLES[op].points:
        assert SAMPLES[op].make(*map(constant, arguments)) is constant(wanted), arguments


def test_one_of_few_values_is_one_of_them(solver: Solver) -> None:
    bits = [choice("c", place, 3) for place in range(3)]
    assert bits[0].op is Op.CHOICE
    for chosen in range(3):
        assignment = Assignment({}, {"c": chosen}, lambda *_: False, lambda _: None)
        assert [assignment.of(bit) for bit in bits] == [place == chosen for place in range(3)]
    assert holds(solver, bits[0], variable("b", BOOL))
    assert not holds(solver, neg(bits[0]), neg(bits[1]), neg(bits[2]))
    assert not holds(solver, bits[0], bits[1])


def test_of_an_uninterpreted_function_equality_alone_is_known(solver: Solver) -> None:
    x, y = variable("x", INT), variable("y", INT)
    one, other = application("f", [x], INT), application("f", [y], INT)
    assert one.op is Op.APPLY
    assert holds(solver, neg(equal(one, other)))
    assert not holds(solver, equal(x, y), neg(equal(one, other)))
    with pytest.raises(NotKnown):
        Assignment({"x": 1}, {}, lambda *_: False, lambda _: None).of(one)


def test_operators_are_named_by_their_enum_only() -> None:
    """A string that no operator has would be compared with for ever."""
    for path in PACKAGE.rglob("*.py"):
        found = re.findall(r'\.op (?:==|!=|is|in|not in) \(?"|\bmake\("|\bTerm\("', path.read_text())
        assert found == [], path
