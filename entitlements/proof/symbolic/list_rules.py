"""Rules of built-ins on lists, and on sets as the lists that they are sorted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

from entitlements.proof.symbolic.cuts import of_either
from entitlements.proof.symbolic.ordering import extreme, in_order
from entitlements.proof.symbolic.rule_table import RULES, Rule, rule_of
from entitlements.proof.symbolic.terms import TRUE, Term
from entitlements.proof.symbolic.value import Array, Const, Leaf, Set, Value, of_leaf

if TYPE_CHECKING:
    from entitlements.proof.symbolic.builtins import Builtins


def _extreme(*, greatest: bool) -> Rule:
    def rule(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(collection: Leaf) -> Value | None:
            if not isinstance(collection, (Array, Set)):
                return None
            return extreme(self.algebra, collection, greatest=greatest)

        return self.by_leaf(arguments, leaf)

    return rule


RULES["max"], RULES["min"] = _extreme(greatest=True), _extreme(greatest=False)


@rule_of("sort")
def _sort(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(collection: Leaf) -> Value | None:
        return of_leaf(in_order(self.algebra, collection)) if isinstance(collection, (Array, Set)) else None

    return self.by_leaf(arguments, leaf)


@rule_of("array.slice")
def _slice(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(array: Leaf, start: Leaf, stop: Leaf) -> Value | None:
        bounds = [max(one.value, 0) for one in (start, stop) if _is_index(one)]
        if not isinstance(array, Array) or len(bounds) != 2:
            return None
        if array.pieces and bounds[1] <= array.pieces.known:
            return of_leaf(Array(array.elements[slice(*bounds)]))
        self.algebra.noticed(array)
        return of_leaf(Array(self.algebra.slots(array)[slice(*bounds)], truncated=array.truncated))

    return self.by_leaf(arguments, leaf)


def _is_index(leaf: Leaf) -> TypeGuard[Const]:
    """Whether a number is a constant that OPA takes for an index."""
    return isinstance(leaf, Const) and isinstance(leaf.value, int) and abs(leaf.value) < 2**31


@rule_of("array.reverse")
def _reverse(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(array: Leaf) -> Value | None:
        if not isinstance(array, Array):
            return None
        self.algebra.noticed(array)
        self.algebra.need_order(array)
        elements = array.elements[::-1]
        return of_leaf(Array(elements, prefix=all(guard is TRUE for guard, _ in elements), truncated=array.truncated))

    return self.by_leaf(arguments, leaf)


@rule_of("array.concat")
def _array_concat(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(one: Leaf, other: Leaf) -> Value | None:
        if not (isinstance(one, Array) and isinstance(other, Array)):
            return None
        return of_leaf(
            Array(
                (*one.elements, *other.elements),
                prefix=all(guard is TRUE for guard, _ in one.elements) and other.prefix,
                ordered=one.ordered and other.ordered,
                counted=one.counted and other.counted,
                origin=one.origin or other.origin,
                truncated=of_either(one.truncated, other.truncated),
            )
        )

    return self.by_leaf(arguments, leaf)
