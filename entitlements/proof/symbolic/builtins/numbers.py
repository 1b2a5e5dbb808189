"""Rules of built-ins on numbers. Whole ones are exact in OPA whatever their size; others are rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

from entitlements.proof.symbolic.builtins.any_value import difference
from entitlements.proof.symbolic.builtins.table import Context, Rule, rule_of
from entitlements.proof.symbolic.terms.op import Arithmetic
from entitlements.proof.symbolic.terms.term import (
    INT,
    TRUE,
    Term,
    arithmetic,
    conditional,
    conj,
    disj,
    equal,
    less,
    neg,
    number,
)
from entitlements.proof.symbolic.values.ordering import each
from entitlements.proof.symbolic.values.value import (
    NUMBER,
    Array,
    Const,
    Leaf,
    Set,
    Value,
    joined,
    of_leaf,
    scalar,
    term_of,
)

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""

_SMALL: Final = 2**31 - 1
"""Up to here OPA divides whole numbers as such."""
_EXACT: Final = 2**53
"""Up to here a whole number keeps all its digits as a binary one with a point."""


def _whole(leaf: Leaf) -> bool:
    return leaf.kind == NUMBER and term_of(leaf).sort == INT


def _within(term: Term, limit: int) -> Term:
    return conj(less(number(-limit), term, strict=False), less(term, number(limit), strict=False))


def _calculated(op: Arithmetic) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(one: Leaf, other: Leaf) -> Value | None:
            if op == "-" and isinstance(one, Set) and isinstance(other, Set):
                return of_leaf(difference(call, one, other))
            if not (_whole(one) and _whole(other)):
                return None
            if op == "*" and isinstance(one, type(other)) and not isinstance(one, Const):
                return None
            return of_leaf(scalar(NUMBER, arithmetic(op, term_of(one), term_of(other))))

        return call.by_leaf(arguments, leaf)

    return rule


RULES |= {"plus": _calculated("+"), "minus": _calculated("-"), "mul": _calculated("*")}


def _by_constant(one: Leaf, other: Leaf) -> bool:
    return _whole(one) and _whole(other) and isinstance(other, Const) and other.value != 0


@rule_of(RULES, "rem")
def _rem(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(one: Leaf, other: Leaf) -> Value | None:
        if not _by_constant(one, other):
            return None
        return of_leaf(scalar(NUMBER, arithmetic("%", term_of(one), term_of(other))))

    return call.by_leaf(arguments, leaf)


@rule_of(RULES, "div")
def _div(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    """Of small whole numbers: exact where nothing is left, else between two whole numbers, as the rest is rounded."""

    def leaf(one: Leaf, other: Leaf) -> Value | None:
        if not _by_constant(one, other) or isinstance(one, Const):
            return None
        size = number(abs(term_of(other).args[0]))
        term = term_of(one) if term_of(other) is size else arithmetic("-", number(0), term_of(one))
        # Nothing divided by a number below zero is written `-0`.
        plain = disj(less(number(0), term_of(other)), neg(equal(term, number(0))))
        small = conj(_within(term, _SMALL), _within(size, _SMALL), plain)
        even = conj(small, equal(arithmetic("%", term, size), number(0)))
        below = arithmetic("div", term, size)
        unknown = term_of(call.unknown_number("div", (one, other)).cases[0][1])
        fraction = conj(less(number(0), unknown), less(unknown, number(1)))
        between = arithmetic("+", below, conditional(fraction, unknown, number(Fraction(1, 2))))
        parts = [(even, below), (conj(small, neg(even)), between), (neg(small), unknown)]
        return joined((guard, of_leaf(scalar(NUMBER, found))) for guard, found in parts)

    return call.by_leaf(arguments, leaf)


def _kept(name: str, exact: Callable[[Term], Term]) -> Rule:
    """Of a whole number that is not too large the result is exact."""

    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(one: Leaf) -> Value | None:
            if not _whole(one):
                return None
            fits = _within(term_of(one), _EXACT)
            found = of_leaf(scalar(NUMBER, exact(term_of(one))))
            if fits is TRUE:
                return found
            return joined([(fits, found), (neg(fits), call.unknown_number(name, (one,)))])

        return call.by_leaf(arguments, leaf)

    return rule


def _size(term: Term) -> Term:
    return conditional(less(term, number(0)), arithmetic("-", number(0), term), term)


RULES["abs"] = _kept("abs", _size)
for _name in ("round", "ceil", "floor"):
    RULES[_name] = _kept(_name, lambda term: term)


@rule_of(RULES, "sum")
def _sum(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(collection: Leaf) -> Value | None:
        if not isinstance(collection, (Array, Set)):
            return None
        total = number(0)
        for guard, element in each(call.algebra, collection):
            for condition, one in element.cases:
                if not _whole(one):
                    return None
                total = arithmetic("+", total, conditional(conj(guard, condition), term_of(one), number(0)))
        return of_leaf(scalar(NUMBER, total))

    return call.by_leaf(arguments, leaf)


@rule_of(RULES, "to_number")
def _to_number(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    """A number is itself, in its own spelling."""
    return call.by_leaf(arguments, lambda leaf: of_leaf(leaf) if leaf.kind == NUMBER else None)
