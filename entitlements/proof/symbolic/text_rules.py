"""Rules of built-ins on texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from entitlements.proof.symbolic.rule_table import RULES, Rule, rule_of
from entitlements.proof.symbolic.terms import (
    TRUE,
    Term,
    both,
    concatenation,
    on_text,
    text,
)
from entitlements.proof.symbolic.value import (
    NUMBER,
    STRING,
    Array,
    Const,
    Leaf,
    Value,
    constant,
    from_truth,
    merged,
    of_leaf,
    scalar,
    term_of,
)

if TYPE_CHECKING:
    from entitlements.proof.symbolic.builtins import Builtins


# Texts.


def _text_predicate(predicate: str, constants: Callable[[str, str], bool]) -> Rule:
    def rule(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(one: Leaf, other: Leaf) -> Value | None:
            if not isinstance(other, Const):
                return None
            if isinstance(one, Const):
                return constant(constants(one.value, other.value))
            return from_truth(on_text(predicate, other.value, term_of(one)))

        return self.by_leaf(arguments, leaf)

    return rule


RULES["startswith"] = _text_predicate("prefix", str.startswith)
RULES["endswith"] = _text_predicate("suffix", str.endswith)
RULES["contains"] = _text_predicate("infix", str.__contains__)


@rule_of("regex.match", "re_match")
def _regex_match(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(pattern: Leaf, subject: Leaf) -> Value | None:
        if not isinstance(pattern, Const) or isinstance(subject, Const):
            return None
        (probe,) = self.ask("regex.match", [[pattern.value, ""]])
        return None if probe.failed else from_truth(on_text("matches", pattern.value, term_of(subject)))

    return self.by_leaf(arguments, leaf)


@rule_of("concat")
def _concat(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(delimiter: Leaf, collection: Leaf) -> Value | None:
        if not (isinstance(delimiter, Const) and isinstance(collection, Array) and collection.ordered):
            return None
        if not all(guard is TRUE for guard, _ in collection.elements) or collection.truncated:
            return None
        return _joined(self, delimiter.value, [element for _, element in collection.elements])

    return self.by_leaf(arguments, leaf)


def _joined(self: Builtins, delimiter: str, elements: Sequence[Value]) -> Value | None:
    if any(leaf.kind != STRING for element in elements for _, leaf in element.cases):
        return None
    parts = []
    for row in self.pairs(elements):
        terms: list[Term] = []
        for place, (_, leaf) in enumerate(row):
            terms += [text(delimiter)] if place and delimiter else []
            terms.append(term_of(leaf))
        parts.append((both(*(guard for guard, _ in row)), of_leaf(scalar(STRING, concatenation(terms)))))
    return merged(parts)


_VERB = re.compile(r"%([sdv%])")


@rule_of("sprintf")
def _sprintf(self: Builtins, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(pattern: Leaf, values: Leaf) -> Value | None:
        if not (isinstance(pattern, Const) and isinstance(values, Array) and values.prefix) or values.truncated:
            return None
        if not all(guard is TRUE for guard, _ in values.elements):
            return None
        return _formatted(self, pattern.value, [element for _, element in values.elements])

    return self.by_leaf(arguments, leaf)


def _formatted(self: Builtins, pattern: str, elements: Sequence[Value]) -> Value | None:
    pieces = _VERB.split(pattern)
    if "%" in "".join(pieces[::2]) or sum(verb != "%" for verb in pieces[1::2]) != len(elements):
        return None
    verbs = [verb for verb in pieces[1::2] if verb != "%"]
    for verb, element in zip(verbs, elements, strict=True):
        for _, leaf in element.cases:
            whole = isinstance(leaf, Const) and isinstance(leaf.value, int) and leaf.kind == NUMBER
            if not (leaf.kind == STRING and verb in "sv") and not (whole and verb in "dv"):
                return None
    parts = []
    for row in self.pairs(elements):
        leaves = iter(leaf for _, leaf in row)
        terms = [text(pieces[0])]
        for verb, after in zip(pieces[1::2], pieces[2::2], strict=True):
            one = text("%") if verb == "%" else _as_text(next(leaves))
            terms += [one, text(after)]
        parts.append((both(*(guard for guard, _ in row)), of_leaf(scalar(STRING, concatenation(terms)))))
    return merged(parts)


def _as_text(leaf: Leaf) -> Term:
    return term_of(leaf) if leaf.kind == STRING else text(str(term_of(leaf).args[0]))
