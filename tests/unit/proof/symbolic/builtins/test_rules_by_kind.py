"""Rules of built-ins on values that are not known: as Python computes them, for every assignment that is tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pytest

from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.builtins.number_spellings import is_unknown
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, INT, REAL, STRING_SORT, TRUE, arithmetic, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Array, Scalar, Set, Value, constant, of_leaf

NUMBERS = [-7, -1, 0, 1, 3, 2**53]
STRINGS = ["", "a", "ab", "ba", "A b", "a/b", "a/b/c"]


def nothing_asked(*_: Any, **__: Any) -> list[Any]:
    raise AssertionError("OPA is not asked for what has a rule")


def called(name: str, *arguments: Value) -> Value:
    limits = Limits()
    value, failures = Builtins({}, Algebra(limits), limits, nothing_asked)(name, arguments, TRUE)
    assert failures == {}
    return value


def number(name: str) -> Value:
    return of_leaf(Scalar(NUMBER, variable(name, INT)))


def string(name: str) -> Value:
    return of_leaf(Scalar(STRING, variable(name, STRING_SORT)))


def some(kind: type, name: str) -> Value:
    """A list or set of some of 1, 2 and 3."""
    elements = tuple((variable(f"{name}{one}", BOOL), constant(one)) for one in (1, 2, 3))
    return of_leaf(Array(elements, prefix=False) if kind is Array else Set(elements))


def document(value: Value, **variables: Any) -> Any:
    found = Assignment(variables, {}, lambda *_: False, lambda _: None).document(value)
    return found if Assignment.present(found) else None


CALCULATED: dict[str, Callable[[int, int], Any]] = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "equal": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}


@pytest.mark.parametrize("name", CALCULATED)
def test_two_numbers_are_calculated_and_compared(name: str) -> None:
    value = called(name, number("a"), number("b"))
    for a, b in itertools.product(NUMBERS, NUMBERS):
        assert document(value, a=a, b=b) == CALCULATED[name](a, b), (a, b)


@pytest.mark.parametrize("divisor", [3, -3])
def test_number_is_multiplied_and_divided_by_a_constant(divisor: int) -> None:
    product, rest = called("mul", number("a"), constant(divisor)), called("rem", number("a"), constant(divisor))
    for a in NUMBERS[:-1]:
        assert document(product, a=a) == a * divisor
        assert document(rest, a=a) == math.fmod(a, divisor), a


def test_whole_number_is_its_own_rounding_and_has_a_size() -> None:
    for name, wanted in (("abs", abs), ("round", int), ("ceil", int), ("floor", int)):
        value = called(name, number("a"))
        for a in NUMBERS:
            assert document(value, a=a) == wanted(a), (name, a)


@pytest.mark.parametrize("kind", [Array, Set])
def test_what_is_there_is_counted_and_added_up(kind: type) -> None:
    counted, total = called("count", some(kind, "x")), called("sum", some(kind, "x"))
    for held in itertools.product((True, False), repeat=3):
        there = [one for one, is_there in zip((1, 2, 3), held, strict=True) if is_there]
        variables = {f"x{one}": one in there for one in (1, 2, 3)}
        assert document(counted, **variables) == len(there)
        assert document(total, **variables) == sum(there)


def test_sets_are_joined_cut_and_subtracted() -> None:
    rules: dict[str, Callable[[set[int], set[int]], set[int]]] = {
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "minus": lambda a, b: a - b,
    }
    values = {name: called(name, some(Set, "x"), some(Set, "y")) for name in rules}
    for held in itertools.product((True, False), repeat=6):
        names = [f"{name}{one}" for name in "xy" for one in (1, 2, 3)]
        variables = dict(zip(names, held, strict=True))
        one, other = ({n for n in (1, 2, 3) if variables[f"{name}{n}"]} for name in "xy")
        for name, rule in rules.items():
            assert set(document(values[name], **variables)) == rule(one, other), (name, one, other)


MADE: dict[str, tuple[Sequence[Any], Callable[[str], Any]]] = {
    "startswith": (["a"], lambda s: s.startswith("a")),
    "endswith": (["b"], lambda s: s.endswith("b")),
    "contains": (["/"], lambda s: "/" in s),
    "lower": ([], str.lower),
    "upper": ([], str.upper),
    "trim": (["ab"], lambda s: s.strip("ab")),
    "trim_left": (["a"], lambda s: s.lstrip("a")),
    "trim_right": (["b"], lambda s: s.rstrip("b")),
    "trim_prefix": (["a"], lambda s: s.removeprefix("a")),
    "trim_suffix": (["b"], lambda s: s.removesuffix("b")),
    "trim_space": ([], str.strip),
    "substring": ([1, 1], lambda s: s[1:2]),
    "replace": (["a", "xx"], lambda s: s.replace("a", "xx")),
    "count": ([], len),
}


@pytest.mark.parametrize("name", MADE)
def test_string_is_tested_and_changed(name: str) -> None:
    others, wanted = MADE[name]
    value = called(name, string("s"), *map(constant, others))
    for s in STRINGS:
        assert document(value, s=s) == wanted(s), s


def test_strings_are_joined_and_formatted() -> None:
    joined = called(
        "concat", constant("-"), of_leaf(Array(((TRUE, string("s")), (variable("there", BOOL), string("t")))))
    )
    assert document(joined, s="a", t="b", there=True) == "a-b"
    assert document(joined, s="a", t="b", there=False) == "a"
    printed = called("sprintf", constant("%s=%d%%"), of_leaf(Array(((TRUE, string("s")), (TRUE, constant(3))))))
    assert document(printed, s="a") == "a=3%"


SPELT = constant(Fraction(1))
CALCULATED_NUMBER = of_leaf(Scalar(NUMBER, arithmetic("*", variable("x", REAL), variable("x", REAL))))


@pytest.mark.parametrize(
    ("name", "value", "unknown"),
    [
        ("json.marshal", SPELT, True),
        ("json.marshal", of_leaf(Array(((TRUE, SPELT),))), True),
        ("json.marshal", CALCULATED_NUMBER, True),
        ("json.marshal", constant(1), False),
        ("json.marshal", of_leaf(Scalar(NUMBER, variable("n", REAL))), False),
        ("substring", SPELT, True),
        ("substring", CALCULATED_NUMBER, False),
        ("plus", SPELT, False),
        ("plus", CALCULATED_NUMBER, False),
    ],
)
def test_number_whose_spelling_matters_and_is_not_known_is_told(name: str, value: Value, unknown: bool) -> None:
    assert is_unknown(name, value) is unknown
