"""Equality, membership and look-ups of values that may lack parts: as Python's own, for every assignment."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, variable
from entitlements.proof.symbolic.values.algebra import Algebra, OrderNeeded, Unsupported
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.truncation import of_list
from entitlements.proof.symbolic.values.value import Array, Const, Object, Set, Value, constant, of_leaf

ITEMS = ["a", "b"]


def parts(name: str) -> list[tuple[object, object]]:
    return [(variable(f"{name}{item}", BOOL), item) for item in ITEMS]


def values(kind: type, name: str) -> Value:
    """A collection of some of the items."""
    if kind is Object:
        return of_leaf(Object(tuple((there, Const(item), constant(1)) for there, item in parts(name))))
    elements = tuple((there, constant(item)) for there, item in parts(name))
    return of_leaf(Array(elements, prefix=False) if kind is Array else Set(elements))


def held() -> Iterator[tuple[list[str], list[str], Assignment]]:
    for chosen in itertools.product((True, False), repeat=4):
        names = [f"{name}{item}" for name in "xy" for item in ITEMS]
        variables = dict(zip(names, chosen, strict=True))
        one, other = ([item for item in ITEMS if variables[f"{name}{item}"]] for name in "xy")
        yield one, other, Assignment(variables, {}, lambda *_: False, lambda _: None)


@pytest.mark.parametrize("kind", [Array, Set, Object])
def test_collections_are_equal_where_all_their_parts_are(kind: type) -> None:
    algebra = Algebra(Limits())
    same = algebra.equal(values(kind, "x"), values(kind, "y"))
    for one, other, assignment in held():
        assert assignment.of(same) is (one == other), (one, other)


@pytest.mark.parametrize("kind", [Array, Set, Object])
def test_size_is_the_number_of_parts_that_are_there(kind: type) -> None:
    size = Algebra(Limits()).size(values(kind, "x").cases[0][1])
    for one, _, assignment in held():
        assert assignment.of(size) == len(one)


@pytest.mark.parametrize("kind", [Array, Set])
def test_element_is_among_those_that_are_there(kind: type) -> None:
    found = Algebra(Limits()).among(constant("b"), values(kind, "x").cases[0][1])
    for one, _, assignment in held():
        assert assignment.of(found) is ("b" in one)


def test_element_stands_at_its_place_among_those_that_are_there() -> None:
    algebra = Algebra(Limits())
    for place in range(3):
        found = algebra.member(values(Array, "x"), constant(place))
        for one, _, assignment in held():
            document = assignment.document(found)
            assert ([document] if assignment.present(document) else []) == one[place : place + 1]


def test_values_of_different_types_are_never_equal() -> None:
    algebra = Algebra(Limits())
    for one, other in itertools.permutations([1, "1", True, None, [1], {"a": 1}], 2):
        assert (
            Assignment({}, {}, lambda *_: False, lambda _: None).of(algebra.equal(constant(one), constant(other)))
            is False
        )


@pytest.mark.parametrize("kind", [Array, Set])
def test_reading_of_a_truncated_collection_is_written_down(kind: type) -> None:
    elements = tuple((there, constant(item)) for there, item in parts("x"))
    leaf = Array(elements, truncated=of_list("xs")) if kind is Array else Set(elements, of_list("xs"))
    scanned, read = Limits(), Limits()
    Algebra(scanned).among(constant("a"), leaf)
    assert scanned.scans == {"xs": 1}
    Algebra(read).size(leaf)
    assert read.scans == {"xs": None}


def test_order_of_a_list_that_stands_as_its_members_is_asked_for() -> None:
    elements = tuple((there, constant(item)) for there, item in parts("x"))
    with pytest.raises(OrderNeeded):
        Algebra(Limits()).slots(Array(elements, prefix=False, ordered=False, source_list="xs"))
    with pytest.raises(Unsupported):
        Algebra(Limits()).slots(Array(elements, prefix=False, ordered=False))
