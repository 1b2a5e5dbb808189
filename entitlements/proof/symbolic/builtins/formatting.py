"""Rules of built-ins that make one string of several values: `concat`, `sprintf`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from entitlements.proof.symbolic.builtins.table import Context, Rule, rule_of
from entitlements.proof.symbolic.terms.string_relations import digits
from entitlements.proof.symbolic.terms.string_terms import concatenation
from entitlements.proof.symbolic.terms.term import FALSE, INT, TRUE, Term, conj, neg, string
from entitlements.proof.symbolic.values.value import (
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    Array,
    Const,
    Leaf,
    Value,
    joined,
    of_leaf,
    scalar,
    term_of,
)

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""


@rule_of(RULES, "concat")
def _concat(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(delimiter: Leaf, collection: Leaf) -> Value | None:
        if not (isinstance(delimiter, Const) and isinstance(collection, Array)):
            return None
        call.algebra.noticed(collection)
        slots = call.algebra.slots(collection)
        parts = []
        for size in range(len(slots) + 1):
            there = [guard for guard, _ in slots[:size]]
            exactly = conj(*there, *(neg(guard) for guard, _ in slots[size : size + 1]))
            if exactly is not FALSE:
                found = _joined(call, delimiter.value, [element for _, element in slots[:size]])
                if found is None:
                    return None
                parts.append((exactly, found))
        return joined(parts)

    return call.by_leaf(arguments, leaf)


def _joined(call: Context, delimiter: str, elements: Sequence[Value]) -> Value | None:
    if any(leaf.kind != STRING for element in elements for _, leaf in element.cases):
        return None
    parts = []
    for row in call.pairs(elements):
        terms: list[Term] = []
        for place, (_, leaf) in enumerate(row):
            terms += [string(delimiter)] if place and delimiter else []
            terms.append(term_of(leaf))
        parts.append((conj(*(guard for guard, _ in row)), of_leaf(scalar(STRING, concatenation(terms)))))
    return joined(parts)


_VERB = re.compile(r"%([sdv%])")


@rule_of(RULES, "sprintf")
def _sprintf(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(pattern: Leaf, values: Leaf) -> Value | None:
        if not (isinstance(pattern, Const) and isinstance(values, Array) and values.prefix) or values.truncated:
            return None
        if not all(guard is TRUE for guard, _ in values.elements):
            return None
        return _formatted(call, pattern.value, [element for _, element in values.elements])

    return call.by_leaf(arguments, leaf)


def _formatted(call: Context, pattern: str, elements: Sequence[Value]) -> Value | None:
    segments = _VERB.split(pattern)
    if "%" in "".join(segments[::2]) or sum(verb != "%" for verb in segments[1::2]) != len(elements):
        return None
    verbs = [verb for verb in segments[1::2] if verb != "%"]
    for verb, element in zip(verbs, elements, strict=True):
        if any(_printed(verb, leaf) is None for _, leaf in element.cases):
            return None
    parts = []
    for row in call.pairs(elements):
        leaves = iter(leaf for _, leaf in row)
        terms = [string(segments[0])]
        for verb, after in zip(segments[1::2], segments[2::2], strict=True):
            one = string("%") if verb == "%" else _printed(verb, next(leaves))
            terms += [*([one] if one else []), string(after)]
        parts.append((conj(*(guard for guard, _ in row)), of_leaf(scalar(STRING, concatenation(terms)))))
    return joined(parts)


def _printed(verb: str, leaf: Leaf) -> Term | None:
    """How Go's `fmt` prints a value for a verb, of what OPA hands it (OPA, v1/topdown/strings.go builtinSprintf)."""
    if leaf.kind == NUMBER:
        return digits(term_of(leaf)) if verb in "dv" and term_of(leaf).sort == INT else None
    if verb == "d":
        return None
    if leaf.kind == STRING:
        return term_of(leaf)
    return string(json.dumps(leaf.value)) if isinstance(leaf, Const) and leaf.kind in (BOOLEAN, NULL) else None
