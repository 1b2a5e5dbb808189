"""The order of lists, sets and objects, and what follows from it: the greatest element, a list sorted.

A set is ordered as the sorted list of its elements, an object as that of its members, each a key and then its value
(OPA, v1/ast/term.go, `Compare`).
"""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.proof.symbolic.terms.term import (
    FALSE,
    TRUE,
    Term,
    conj,
    count,
    disj,
    equal,
    implies,
    less,
    neg,
    number,
    truth,
)
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.concrete import compare, plain_leaf, sorted_elements
from entitlements.proof.symbolic.values.value import (
    KINDS,
    NUMBER,
    STRING,
    UNDEFINED,
    Array,
    Leaf,
    Object,
    Set,
    Value,
    joined,
    of_leaf,
    term_of,
)

Elements = Sequence[tuple[Term, Value]]


def sorts_before(algebra: Algebra, one: Value, other: Value, *, strict: bool) -> Term:
    """Where both are defined and one sorts before the other, across types as OPA does, or is the same if not strict."""
    rows = [(conj(a, b), x, y) for a, x in one.cases for b, y in other.cases]
    return disj(*(conj(guard, _leaf_before(algebra, x, y, strict=strict)) for guard, x, y in rows))


def _leaf_before(algebra: Algebra, one: Leaf, other: Leaf, *, strict: bool) -> Term:
    if one.kind != other.kind:
        return truth(KINDS.index(one.kind) < KINDS.index(other.kind))
    if one.kind in (NUMBER, STRING):
        return less(term_of(one), term_of(other), strict=strict)
    (left_known, left), (right_known, right) = plain_leaf(one), plain_leaf(other)
    if left_known and right_known:
        found = compare(left, right)
        return truth(found < 0 or (not strict and found == 0))
    left_list, right_list = (_as_list(algebra, leaf) for leaf in (one, other))
    return _before(algebra, left_list, right_list, strict=strict)


def _before(algebra: Algebra, one: Array, other: Array, *, strict: bool) -> Term:
    left, right = algebra.slots(one), algebra.slots(other)
    most = max(len(left), len(right))
    missing = [(FALSE, UNDEFINED)] * most
    pairs = list(zip([*left, *missing][:most], [*right, *missing][:most], strict=True))
    found = truth(not strict)
    for (a, x), (b, y) in reversed(pairs):
        within = disj(sorts_before(algebra, x, y, strict=True), conj(algebra.equal(x, y), found))
        found = disj(conj(neg(a), b if strict else TRUE), conj(a, b, within))
    return found


def _as_list(algebra: Algebra, leaf: Leaf) -> Array:
    """The list that a list, a set or an object is ordered as."""
    assert isinstance(leaf, (Array, Set, Object))  # noqa: S101 - all others are constants or numbers or strings
    if isinstance(leaf, Array):
        algebra.noticed(leaf)
        return leaf
    if isinstance(leaf, Object):
        if leaf.rest is not None:
            algebra.notices.open_object()
        members = [(guard, _pair(of_leaf(key), member)) for guard, key, member in leaf.members]
        leaf = Set(tuple(members), leaf.truncated)
    return in_order(algebra, leaf)


def _pair(key: Value, member: Value) -> Value:
    return of_leaf(Array(((TRUE, key), (member.defined, member))))


def in_order(algebra: Algebra, leaf: Array | Set) -> Array:
    """The elements of a list or a set, sorted. Raises OrderNeeded where it is not known how often one occurs."""
    elements = each(algebra, leaf)
    singles = [(guard, value.cases[0][1], value) for guard, value in elements if _is_one(value)]
    if len(singles) == len(elements) and (ordered := sorted_elements(singles)) and len(ordered) == len(singles):
        rows = tuple((guard, value) for guard, _, value in ordered)
        return Array(rows, prefix=all(guard is TRUE for guard, _ in rows), truncated=leaf.truncated)
    algebra.bounded(elements)
    ranks = [
        count([conj(guard, _precedes(algebra, elements, j, i)) for j, (guard, _) in enumerate(elements) if j != i])
        for i in range(len(elements))
    ]
    found = []
    for place in range(len(elements)):
        at = [(conj(g, equal(ranks[i], number(place))), value) for i, (g, value) in enumerate(elements)]
        value = joined(at)
        found.append((value.defined, value))
    return Array(tuple(found), truncated=leaf.truncated)


def extreme(algebra: Algebra, leaf: Array | Set, *, greatest: bool) -> Value:
    """The greatest or the least element, undefined where there is none."""
    algebra.noticed(leaf)
    elements = [(conj(guard, value.defined), value) for guard, value in leaf.elements]
    parts = []
    for i, (guard, value) in enumerate(elements):
        beaten = [
            implies(other, _precedes(algebra, elements, *((j, i) if greatest else (i, j))))
            for j, (other, _) in enumerate(elements)
            if j != i
        ]
        parts.append((conj(guard, *beaten), value))
    return joined(parts)


def _is_one(value: Value) -> bool:
    return len(value.cases) == 1 and value.cases[0][0] is TRUE


def _precedes(algebra: Algebra, elements: Elements, one: int, other: int) -> Term:
    """Whether one element is sorted before another, where both are there; of equal ones the first."""
    if one > other:
        return neg(_precedes(algebra, elements, other, one))
    return sorts_before(algebra, elements[one][1], elements[other][1], strict=False)


def each(algebra: Algebra, leaf: Array | Set) -> list[tuple[Term, Value]]:
    """Every element, with where it is there, as often as it occurs. Raises OrderNeeded where that is not known."""
    algebra.noticed(leaf)
    if isinstance(leaf, Array) and not leaf.known_multiplicity:
        algebra.need_order(leaf)
    elements = algebra.distinct(leaf) if isinstance(leaf, Set) else leaf.elements
    return [(conj(guard, value.defined), value) for guard, value in elements]
