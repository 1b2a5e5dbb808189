"""How a built-in is applied: what fails is reported, constants are asked of OPA, of the rest equal arguments are
used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from entitlements.engine.builtin_calls import CallResult
from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, FALSE, INT, STRING_SORT, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Scalar, Value, constant, joined, of_leaf

DECLARED = {
    "plus": {"args": [{"type": "number"}, {"type": "number"}], "result": {"type": "number"}},
    "upper": {"args": [{"type": "string"}], "result": {"type": "string"}},
    "crypto.sha256": {"args": [{"type": "string"}], "result": {"type": "string"}},
}
THERE = variable("there", BOOL)


class Oracle:
    """OPA's answers to calls on constants: strings in upper case; the empty one fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Any]]] = []

    def __call__(self, name: str, rows: Sequence[Sequence[Any]], *, relation: bool = False) -> list[CallResult]:
        assert not relation
        self.asked += [(name, [*row]) for row in rows]
        return [CallResult(bool(row[0]), failed=not row[0], value=str(row[0]).upper()) for row in rows]


def applied(name: str, *arguments: Value, oracle: Oracle | None = None) -> tuple[Value, dict[str, Any], Limits]:
    limits = Limits()
    value, failures = Builtins(DECLARED, Algebra(limits), limits, oracle or Oracle())(name, arguments, TRUE)
    return value, failures, limits


def either_of(one: Any, other: Any) -> Value:
    """One value where something is there, the other elsewhere."""
    absent = FALSE if other is None else TRUE
    parts = [(THERE, constant(one))]
    return joined([*parts, *([] if absent is FALSE else [(variable("other", BOOL), constant(other))])])


def assigned(**variables: Any) -> Assignment:
    return Assignment(variables, {}, lambda *_: False, lambda _: None)


def test_argument_of_another_type_fails_where_it_comes() -> None:
    value, failures, _ = applied("plus", either_of(1, "x"), constant(2))
    ((what, condition),) = failures.items()
    assert "another type" in what
    assert assigned(there=False, other=True).of(condition) is True
    assert assigned(there=True, other=False).of(condition) is False
    assert assigned(there=True, other=False).document(value) == 3


def test_constants_are_asked_of_opa_and_its_failures_are_told() -> None:
    oracle = Oracle()
    value, failures, limits = applied("crypto.sha256", either_of("a", ""), oracle=oracle)
    assert sorted(oracle.asked) == [("crypto.sha256", [""]), ("crypto.sha256", ["a"])]
    assert assigned(there=True, other=False).document(value) == "A"
    ((what, condition),) = failures.items()
    assert what == "`crypto.sha256` fails"
    assert assigned(there=False, other=True).of(condition) is True
    assert not limits.approximations


def test_open_argument_without_a_rule_is_an_approximation_of_equal_results() -> None:
    limits = Limits()
    algebra = Algebra(limits)
    builtins = Builtins(DECLARED, algebra, limits, Oracle())
    one, other = (of_leaf(Scalar(STRING, variable(name, STRING_SORT))) for name in "ab")
    first, again, different = (builtins("crypto.sha256", [value], TRUE)[0] for value in (one, one, other))
    assert algebra.equal(first, again) is first.defined
    assert algebra.equal(first, different) is not first.defined
    assert [what for what, _ in limits.approximations] == ["crypto.sha256"]


def test_whole_numbers_are_added_exactly() -> None:
    value, failures, limits = applied("plus", of_leaf(Scalar(NUMBER, variable("n", INT))), constant(2))
    assert failures == {}
    assert assigned(n=5).document(value) == 7
    assert not limits.approximations
