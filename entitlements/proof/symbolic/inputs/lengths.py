"""The length of a list of which not all elements are told one by one (docs/proof-bounds.md): of one that is represented
by the set of its members, and of one that is truncated.
"""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.proof.symbolic.terms.term import (
    INT,
    Term,
    arithmetic,
    conditional,
    conj,
    count,
    disj,
    less,
    number,
    variable,
)
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import Array, Beyond

MOST_REPEATS = 100
"""Of a longer list of this kind, the length is not followed."""


def repeated(name: str, there: list[Term], least: int, most: int) -> tuple[Term, ...]:
    """How many elements there are beyond one of each member, where there is a member at all: any number with which the
    list is neither too short nor too long.
    """
    more, some, members = variable(f"{name} repeats", INT), disj(*there), count(there)
    found = []
    for times in range(most - 1):
        fits = less(members, number(most - times - 1), strict=False)
        needed = less(members, number(least - times - 1), strict=False)
        found.append(conj(some, fits, disj(needed, less(number(times), more))))
    return tuple(found)


def beyond(name: str, there: Sequence[Term], limits: tuple[int, int], *, repeat: bool, related: bool) -> Beyond:
    """How many elements a truncated list has beyond those that are looked at, of which the conditions are given.

    limits: of its length; related: whether it is related to another one, so that fewer elements may be looked at than
    there is room for. Any number with which the list is neither too short nor too long.
    """
    least, most = limits
    free, held = variable(f"{name} more", INT), count(there) if related else number(len(there))
    low = arithmetic("-", number(least), held)
    fits = _at_most(arithmetic("-", number(most), held), _at_least(_at_least(number(0), low), free))
    return Beyond(conditional(there[0] if related else there[-1], fits, number(0)), repeat)


def _at_least(one: Term, other: Term) -> Term:
    return conditional(less(one, other), other, one)


def _at_most(one: Term, other: Term) -> Term:
    return conditional(less(one, other), one, other)


def length(algebra: Algebra, array: Array) -> Term:
    """How many elements a list has in all."""
    if array.more is None:
        return algebra.size(array)
    return arithmetic("+", count([guard for guard, _ in array.elements]), array.more.number)
