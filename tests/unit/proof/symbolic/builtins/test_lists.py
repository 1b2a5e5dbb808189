"""Built-ins on lists that may lack elements: as Python's own lists, for every assignment."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from entitlements.engine.builtin_calls import CallResult
from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Array, Value, constant, of_leaf

ITEMS = ["a", "b", "c"]


def listed(name: str) -> Value:
    """A list of some of the items."""
    elements = tuple((variable(f"{name}{place}", BOOL), constant(item)) for place, item in enumerate(ITEMS))
    return of_leaf(Array(elements, prefix=False))


def nothing_asked(*_: Any, **__: Any) -> list[Any]:
    raise AssertionError("OPA is not asked for what has a rule")


def called(name: str, *arguments: Value) -> Value:
    limits = Limits()
    value, failures = Builtins({}, Algebra(limits), limits, nothing_asked)(name, arguments, TRUE)
    assert failures == {}
    assert not limits.approximations
    return value


def documents(value: Value, **lists: Sequence[str]) -> Any:
    variables = {f"{name}{place}": item in held for name, held in lists.items() for place, item in enumerate(ITEMS)}
    return Assignment(variables, {}, lambda *_: False, lambda _: None).document(value)


SUBSETS = [[], ["b"], ["a", "c"], ["a", "b", "c"]]


@pytest.mark.parametrize("held", SUBSETS, ids=str)
def test_list_is_cut_reversed_joined_and_sorted(held: list[str]) -> None:
    xs = listed("x")
    for start, stop in ((0, 1), (1, 2), (1, 9), (-1, 2), (2, 1)):
        value = called("array.slice", xs, constant(start), constant(stop))
        assert documents(value, x=held) == held[max(start, 0) : max(stop, 0)]
    assert documents(called("array.reverse", xs), x=held) == held[::-1]
    assert documents(called("array.concat", xs, listed("y")), x=held, y=["b"]) == [*held, "b"]
    assert documents(called("sort", called("array.reverse", xs)), x=held) == held


def test_extreme_of_an_empty_list_is_undefined() -> None:
    greatest = called("max", listed("x"))
    assert documents(greatest, x=["a", "b"]) == "b"
    assert not Assignment.present(documents(greatest, x=[]))


def test_fraction_is_no_index() -> None:
    """What OPA makes of it is asked of OPA."""
    limits, asked = Limits(), []

    def oracle(name: str, rows: Sequence[Sequence[Any]], **_: Any) -> list[CallResult]:
        asked.append(name)
        return [CallResult(False, failed=True)] * len(rows)

    Builtins({}, Algebra(limits), limits, oracle)("array.slice", [listed("x"), constant(0.5), constant(2)], TRUE)
    assert asked == ["array.slice"]


def test_number_in_another_spelling_is_no_index() -> None:
    limits = Limits()
    builtins = Builtins({}, Algebra(limits), limits, nothing_asked)
    with pytest.raises(Unsupported):
        builtins("array.slice", [listed("x"), constant(Fraction(1)), constant(2)], TRUE)
