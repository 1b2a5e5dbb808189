"""Rules of built-ins on numbers. Whole ones are exact in OPA whatever their size; others are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entitlements.proof.symbolic.rule_table import RULES, Rule, rule_of
from entitlements.proof.symbolic.terms import (
    INT,
    Term,
    arithmetic,
)
from entitlements.proof.symbolic.value import (
    NUMBER,
    Const,
    Leaf,
    Set,
    Value,
    of_leaf,
    scalar,
    term_of,
)
from entitlements.proof.symbolic.value_rules import difference

if TYPE_CHECKING:
    from entitlements.proof.symbolic.builtins import Builtins


# Numbers. Whole ones are exact in OPA whatever their size; others are rounded, which is not followed.


def _whole(leaf: Leaf) -> bool:
    return leaf.kind == NUMBER and term_of(leaf).sort == INT


def _calculated(op: str) -> Rule:
    def rule(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(one: Leaf, other: Leaf) -> Value | None:
            if op == "-" and isinstance(one, Set) and isinstance(other, Set):
                return of_leaf(difference(self, one, other))
            if not (_whole(one) and _whole(other)):
                return None
            if op == "*" and isinstance(one, type(other)) and not isinstance(one, Const):
                return None
            return of_leaf(scalar(NUMBER, arithmetic(op, term_of(one), term_of(other))))

        return self.by_leaf(arguments, leaf)

    return rule


for _name, _op in (("plus", "+"), ("minus", "-"), ("mul", "*")):
    RULES[_name] = _calculated(_op)


@rule_of("round", "ceil", "floor")
def _rounded(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    # Beyond 2^53 OPA rounds to a binary number.
    def leaf(one: Leaf) -> Value | None:
        return of_leaf(one) if isinstance(one, Const) and _whole(one) and abs(one.value) <= 1 << 53 else None

    return self.by_leaf(arguments, leaf)
