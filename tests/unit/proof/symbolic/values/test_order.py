"""Lists in order, as conditions: the shorter of two with one beginning first, equal ones never before each other."""

from __future__ import annotations

import itertools

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import INT, TRUE, choice, disj, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.ordering import extreme, in_order, sorts_before
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import NUMBER, Array, Scalar, Set, Value, of_leaf

LISTS = [list(row) for size in range(3) for row in itertools.product([0, 1], repeat=size)]


def open_list(name: str) -> Array:
    """Any list of up to two numbers."""
    elements = []
    for place in range(2):
        longer = disj(*(choice(f"{name} size", size, 3) for size in range(place + 1, 3)))
        elements.append((longer, of_leaf(Scalar(NUMBER, variable(f"{name}{place}", INT)))))
    return Array(tuple(elements))


def assigned(**lists: list[int]) -> Assignment:
    variables = {f"{name}{place}": one for name, items in lists.items() for place, one in enumerate(items)}
    sizes = {f"{name} size": len(items) for name, items in lists.items()}
    return Assignment(variables, sizes, lambda *_: False, lambda _: 0)


@pytest.mark.parametrize("strict", [True, False])
def test_lists_are_ordered_by_their_first_difference(strict: bool) -> None:
    one, other = (of_leaf(open_list(name)) for name in "ab")
    before = sorts_before(Algebra(Limits()), one, other, strict=strict)
    for left, right in itertools.product(LISTS, LISTS):
        assert assigned(a=left, b=right).of(before) is (left < right if strict else left <= right), (left, right)


@pytest.mark.parametrize("kind", [Array, Set])
def test_elements_are_sorted_and_the_extremes_found(kind: type[Array] | type[Set]) -> None:
    algebra = Algebra(Limits())
    leaf = kind(open_list("a").elements)
    ordered, greatest, least = (
        of_leaf(in_order(algebra, leaf)),
        *(extreme(algebra, leaf, greatest=one) for one in (True, False)),
    )
    for items in LISTS:
        assignment = assigned(a=items)
        wanted = sorted(items if kind is Array else set(items))
        assert assignment.document(ordered) == wanted
        for found, value in ((greatest, wanted[-1:]), (least, wanted[:1])):
            document = assignment.document(found)
            assert ([document] if assignment.present(document) else []) == value


def test_equal_constants_are_not_strictly_before_each_other() -> None:
    one: Value = of_leaf(Array(((TRUE, of_leaf(Scalar(NUMBER, variable("a0", INT)))),)))
    algebra = Algebra(Limits())
    assignment = assigned(a=[1])
    assert assignment.of(sorts_before(algebra, one, one, strict=False)) is True
    assert assignment.of(sorts_before(algebra, one, one, strict=True)) is False
