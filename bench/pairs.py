"""Pairs of policies in Rego and in Cedar: the same rules over the same attributes, before and after a change.

An attribute is a claim of the token in Rego and an attribute of the principal in Cedar: `Set<String>`, `String`, `Bool`
or `Long`, by its number. A rule permits one action under a few conditions, and no one who is suspended gets anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

SIZES = ((20, 20), (200, 60), (1000, 60))
KINDS = ("tighter", "wider", "rewritten", "divided")
ACTIONS = tuple(f"a{number}" for number in range(5))
_CONDITIONS = 3
# What a list may hold by the contract. Cedar's sets hold any text: its types say no more.
_WORDS = tuple(f"r{number}" for number in range(8))


@dataclass(frozen=True)
class Condition:
    """One comparison of attribute and constant. otherwise: the same meaning in other words; no: a `Bool` is false.

    A set is asked for a member in the same words always: for others (`containsAny`), Cedar's solver needs its theory of
    sets and several times as long.
    """

    attribute: int
    constant: int
    otherwise: bool = False
    no: bool = False

    @property
    def rego(self) -> str:
        """The line of a rule's body."""
        claim = f"input.subject.claims.c{self.attribute}"
        if self.attribute % 4 == 0:
            return f'"r{self.constant}" in {claim}'
        return self._compared(claim, "not {}")

    @property
    def cedar(self) -> str:
        """The operand of a conjunction."""
        name = f"principal.c{self.attribute}"
        if self.attribute % 4 == 0:
            return f'{name}.contains("r{self.constant}")'
        return self._compared(name, "!({})")

    def _compared(self, name: str, negation: str) -> str:
        """A text, a boolean or a number beside the constant, which both languages write alike but for the negation."""
        first, other = (
            (f'{name} == "v{self.constant}"', negation.format(f'{name} != "v{self.constant}"')),
            (f"{name} == {self._truth}", f"{name} != {self._untruth}"),
            (f"{name} >= {self.constant}", f"{name} > {self.constant - 1}"),
        )[self.attribute % 4 - 1]
        return other if self.otherwise else first

    @property
    def _truth(self) -> str:
        return "false" if self.no else "true"

    @property
    def _untruth(self) -> str:
        return "true" if self.no else "false"


@dataclass(frozen=True)
class Rule:
    """Permits an action where all conditions hold."""

    action: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Pair:
    """Rules before and after a change of some kind. attributes: how many there are, beside `suspended`."""

    attributes: int
    kind: str
    old: tuple[Rule, ...]
    new: tuple[Rule, ...]

    @property
    def rules(self) -> int:
        """How many rules there were before."""
        return len(self.old)

    @property
    def holds(self) -> bool:
        """Whether nobody gains access."""
        return self.kind != "wider"

    @property
    def schema(self) -> str:
        """Cedar's schema."""
        types = ("Set<String>", "String", "Bool", "Long")
        attributes = "".join(f"  c{number}: {types[number % 4]},\n" for number in range(self.attributes))
        return (
            f"entity User {{\n{attributes}  suspended: Bool,\n}};\nentity Item;\n"
            f"action {', '.join(ACTIONS)} appliesTo {{ principal: [User], resource: [Item] }};\n"
        )

    @property
    def claims(self) -> dict[str, dict[str, object]]:
        """What a contract says of the same attributes."""
        shapes: tuple[dict[str, object], ...] = (
            {"type": "array", "items": {"enum": [*_WORDS]}, "uniqueItems": True, "maxItems": len(_WORDS)},
            {"type": "string"},
            {"type": "boolean"},
            {"type": "integer"},
        )
        found = {f"c{number}": {"required": True, "schema": shapes[number % 4]} for number in range(self.attributes)}
        return {**found, "suspended": {"required": True, "schema": {"type": "boolean"}}}


def pairs(sizes: tuple[tuple[int, int], ...] = SIZES) -> Iterator[Pair]:
    """One for each size and kind, made from the size as seed."""
    for rules, attributes in sizes:
        for kind in KINDS:
            chance = random.Random(rules * 1000 + attributes)
            old = tuple(_rule(attributes, chance) for _ in range(rules))
            yield Pair(attributes, kind, old, tuple(_changed(kind, old, attributes, chance)))


def _rule(attributes: int, chance: random.Random) -> Rule:
    picked = chance.sample(range(attributes), _CONDITIONS)
    return Rule(chance.choice(ACTIONS), tuple(_condition(number, chance) for number in picked))


def _condition(attribute: int, chance: random.Random) -> Condition:
    return Condition(attribute, chance.randrange(1, 1000) if attribute % 4 == 3 else chance.randrange(5))


def _changed(kind: str, old: tuple[Rule, ...], attributes: int, chance: random.Random) -> Iterator[Rule]:
    """The rules after the change, in another order."""
    middle = len(old) // 2
    for number, rule in reversed([*enumerate(old)]):
        if kind == "wider":
            yield replace(rule, conditions=rule.conditions[:-1]) if number == middle else rule
        elif kind == "rewritten":
            yield replace(rule, conditions=tuple(replace(one, otherwise=True) for one in rule.conditions))
        elif kind == "divided":
            further = chance.randrange(2, attributes, 4)
            for no in (False, True):
                yield replace(rule, conditions=(*rule.conditions, Condition(further, 0, no=no)))
        elif number != middle:
            used = {condition.attribute for condition in rule.conditions}
            left = [attribute for attribute in range(attributes) if attribute not in used]
            yield replace(rule, conditions=(*rule.conditions, _condition(chance.choice(left), chance)))


def as_rego(rules: tuple[Rule, ...]) -> str:
    """The policy in Rego."""
    lines = ["package shop.authz", "", "default allow := false"]
    lines += ["", "allow if {", "\tgranted", "\tnot suspended", "}"]
    lines += ["", "suspended if input.subject.claims.suspended == true"]
    for rule in rules:
        body = [f'input.action.name == "{rule.action}"', *(condition.rego for condition in rule.conditions)]
        lines += ["", "granted if {", *(f"\t{line}" for line in body), "}"]
    return "\n".join(lines) + "\n"


def as_cedar(rules: tuple[Rule, ...]) -> str:
    """The policy in Cedar."""
    lines = ["forbid(principal, action, resource) when { principal.suspended };"]
    for rule in rules:
        body = " && ".join(condition.cedar for condition in rule.conditions)
        lines.append(f'permit(principal, action == Action::"{rule.action}", resource) when {{ {body} }};')
    return "\n".join(lines) + "\n"
