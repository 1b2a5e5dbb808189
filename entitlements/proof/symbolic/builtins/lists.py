"""Rules of built-ins on lists, and on sets as the lists that they are sorted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from entitlements.proof.symbolic.builtins.table import Context, Rule, rule_of
from entitlements.proof.symbolic.terms.term import TRUE, Term
from entitlements.proof.symbolic.values.ordering import extreme, in_order
from entitlements.proof.symbolic.values.truncation import of_either
from entitlements.proof.symbolic.values.value import Array, Const, Leaf, Set, Value, of_leaf

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""


def _extreme(*, greatest: bool) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(collection: Leaf) -> Value | None:
            if not isinstance(collection, (Array, Set)):
                return None
            return extreme(call.algebra, collection, greatest=greatest)

        return call.by_leaf(arguments, leaf)

    return rule


RULES["max"], RULES["min"] = _extreme(greatest=True), _extreme(greatest=False)


@rule_of(RULES, "sort")
def _sort(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(collection: Leaf) -> Value | None:
        return of_leaf(in_order(call.algebra, collection)) if isinstance(collection, (Array, Set)) else None

    return call.by_leaf(arguments, leaf)


@rule_of(RULES, "array.slice")
def _slice(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(array: Leaf, start: Leaf, stop: Leaf) -> Value | None:
        bounds = [max(one.value, 0) for one in (start, stop) if _is_index(one)]
        if not isinstance(array, Array) or len(bounds) != 2:
            return None
        if array.segments and bounds[1] <= array.segments.known:
            return of_leaf(Array(array.elements[slice(*bounds)]))
        call.algebra.noticed(array)
        return of_leaf(Array(call.algebra.slots(array)[slice(*bounds)], truncated=array.truncated))

    return call.by_leaf(arguments, leaf)


def _is_index(leaf: Leaf) -> TypeGuard[Const]:
    """Whether a number is a constant that OPA takes for an index."""
    return isinstance(leaf, Const) and isinstance(leaf.value, int) and abs(leaf.value) < 2**31


@rule_of(RULES, "array.reverse")
def _reverse(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(array: Leaf) -> Value | None:
        if not isinstance(array, Array):
            return None
        call.algebra.noticed(array)
        call.algebra.need_order(array)
        elements = array.elements[::-1]
        return of_leaf(Array(elements, prefix=all(guard is TRUE for guard, _ in elements), truncated=array.truncated))

    return call.by_leaf(arguments, leaf)


@rule_of(RULES, "array.concat")
def _array_concat(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(one: Leaf, other: Leaf) -> Value | None:
        if not (isinstance(one, Array) and isinstance(other, Array)):
            return None
        return of_leaf(
            Array(
                (*one.elements, *other.elements),
                prefix=all(guard is TRUE for guard, _ in one.elements) and other.prefix,
                ordered=one.ordered and other.ordered,
                known_multiplicity=one.known_multiplicity and other.known_multiplicity,
                source_list=one.source_list or other.source_list,
                truncated=of_either(one.truncated, other.truncated),
            )
        )

    return call.by_leaf(arguments, leaf)
