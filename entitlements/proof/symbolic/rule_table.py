"""The table of rules for built-in functions on symbolic values. The rules themselves stand by kind of value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from entitlements.proof.symbolic.terms import Term
from entitlements.proof.symbolic.value import Value

if TYPE_CHECKING:
    from entitlements.proof.symbolic.builtins import Builtins

Rule = Callable[["Builtins", Sequence[Value], Term], Value]
RULES: Final[dict[str, Rule]] = {}
"""The rules by the name of the built-in."""


def rule_of(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule under these names."""

    def register(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return register


class NoRule(Exception):
    """The rule of a built-in does not cover these arguments."""
