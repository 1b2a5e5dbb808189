"""Rules of built-ins on values of any type, on lists, sets and objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from entitlements.proof.symbolic.builtins.table import Context, NoRule, Rule, rule_of
from entitlements.proof.symbolic.terms.string_terms import length
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    Term,
    conj,
    disj,
    neg,
)
from entitlements.proof.symbolic.values.concrete import plain
from entitlements.proof.symbolic.values.ordering import sorts_before
from entitlements.proof.symbolic.values.truncation import of_both, of_either
from entitlements.proof.symbolic.values.value import (
    KINDS,
    NUMBER,
    Array,
    Leaf,
    Object,
    Set,
    Value,
    constant,
    from_truth,
    joined,
    of_leaf,
    scalar,
    term_of,
)

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""


# Comparisons and types: of any values.


@rule_of(RULES, "equal", "eq")
def _equal(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    one, other = arguments
    return from_truth(call.algebra.equal(one, other))


@rule_of(RULES, "neq")
def _not_equal(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    one, other = arguments
    return from_truth(neg(call.algebra.equal(one, other)))


def _ordered(*, swapped: bool, strict: bool) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        one, other = reversed(arguments) if swapped else arguments
        return from_truth(sorts_before(call.algebra, one, other, strict=strict))

    return rule


for _name, _swapped, _strict in (("lt", False, True), ("lte", False, False), ("gt", True, True), ("gte", True, False)):
    RULES[_name] = _ordered(swapped=_swapped, strict=_strict)


def _is(kind: str) -> Rule:
    def rule(_call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        return joined((guard, constant(leaf.kind == kind)) for guard, leaf in arguments[0].cases)

    return rule


for _kind in KINDS:
    RULES[f"is_{_kind}"] = _is(_kind)


@rule_of(RULES, "type_name")
def _type_name(_call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    return joined((guard, constant(leaf.kind)) for guard, leaf in arguments[0].cases)


@rule_of(RULES, "internal.print", "print", "trace")
def _print(_call: Context, _arguments: Sequence[Value], _live: Term) -> Value:
    return constant(True)


# Membership, sizes and lookups.


@rule_of(RULES, "internal.member_2")
def _member_2(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    item, collection = arguments
    found = [
        conj(guard, call.algebra.among(item, leaf))
        for guard, leaf in collection.cases
        if isinstance(leaf, (Array, Set, Object))
    ]
    return from_truth(disj(*found))


@rule_of(RULES, "internal.member_3")
def _member_3(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    key, item, collection = arguments
    return from_truth(call.algebra.equal(call.algebra.member(collection, key), item))


@rule_of(RULES, "count")
def _count(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    parts = []
    for guard, leaf in arguments[0].cases:
        size = call.algebra.size(leaf) if isinstance(leaf, (Array, Set, Object)) else length(term_of(leaf))
        parts.append((guard, of_leaf(scalar(NUMBER, size))))
    return joined(parts)


@rule_of(RULES, "object.get")
def _object_get(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    source, key, default = arguments
    parts = []
    for guard, leaf in key.cases:
        if isinstance(leaf, Array):
            known, path = plain(of_leaf(leaf))
            if not known:
                raise NoRule
            found = source
            for step in path:
                found = call.algebra.member(found, constant(step))
        else:
            found = call.algebra.member(source, of_leaf(leaf))
        parts += [(guard, found), (conj(guard, neg(found.defined)), default)]
    return joined(parts)


@rule_of(RULES, "object.keys")
def _object_keys(_call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    parts = []
    for guard, leaf in arguments[0].cases:
        if not isinstance(leaf, Object) or leaf.rest is not None:
            raise NoRule
        keys = tuple((there, of_leaf(key)) for there, key, _ in leaf.members)
        parts.append((guard, of_leaf(Set(keys, leaf.truncated))))
    return joined(parts)


# Sets.


def _sets(make: Callable[[Context, Set, Set], Set]) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(one: Leaf, other: Leaf) -> Value | None:
            return of_leaf(make(call, one, other)) if isinstance(one, Set) and isinstance(other, Set) else None

        return call.by_leaf(arguments, leaf)

    return rule


def _both_sets(call: Context, one: Set, other: Set) -> Set:
    return Set(
        tuple((conj(g, call.algebra.among(e, other)), e) for g, e in one.elements),
        of_both(one.truncated, other.truncated),
    )


def _either_set(_call: Context, one: Set, other: Set) -> Set:
    known: dict[Value, Term] = {}
    for guard, element in (*one.elements, *other.elements):
        known[element] = disj(known.get(element, FALSE), guard)
    return Set(tuple((guard, element) for element, guard in known.items()), of_either(one.truncated, other.truncated))


def difference(call: Context, one: Set, other: Set) -> Set:
    kept = tuple((conj(g, neg(call.algebra.among(e, other))), e) for g, e in one.elements)
    return Set(kept, of_both(one.truncated, other.truncated))


RULES["and"] = _sets(_both_sets)
RULES["or"] = _sets(_either_set)
