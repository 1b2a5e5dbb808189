"""What a rule for a built-in function on symbolic values is. The rules themselves stand by kind of value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from entitlements.engine.builtin_calls import CallResult
from entitlements.proof.symbolic.terms.term import Term
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import Leaf, Value


class Context(Protocol):
    """What a rule may ask while it is applied."""

    algebra: Algebra

    def ask(self, name: str, rows: Sequence[Sequence[Any]]) -> list[CallResult]:
        """What OPA makes of constants."""

    def pairs(self, arguments: Sequence[Value]) -> list[tuple[tuple[Term, Leaf], ...]]:
        """Every combination of the cases of the arguments."""

    def by_leaf(self, arguments: Sequence[Value], make: Callable[..., Value | None]) -> Value:
        """Combine the cases one by one; a combination that `make` gives None for leaves the rule."""

    def fails(self, what: str, condition: Term) -> None:
        """Write down that the call fails where a condition holds, and what for."""

    def unknown_number(self, name: str, leaves: Sequence[Leaf]) -> Value:
        """A number that depends on the arguments only, where a built-in cannot fail."""


Rule = Callable[[Context, Sequence[Value], Term], Value]
"""From what may be asked, the arguments and the condition under which the call is made, to its result."""


def rule_of(rules: dict[str, Rule], *names: str) -> Callable[[Rule], Rule]:
    """Adds a rule to a table of rules, under these names."""

    def register(rule: Rule) -> Rule:
        rules.update(dict.fromkeys(names, rule))
        return rule

    return register


class NoRule(Exception):
    """The rule of a built-in does not cover these arguments."""
