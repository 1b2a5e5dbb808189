"""Rules of built-ins on strings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction

from entitlements.proof.symbolic.builtins.table import Context, Rule, rule_of
from entitlements.proof.symbolic.terms.string_relations import holds_of
from entitlements.proof.symbolic.terms.string_terms import (
    GLOB,
    INFIX,
    LOWER,
    MATCHES,
    PREFIX,
    REPLACE,
    SEGMENT,
    SEGMENTS,
    SPACES,
    SUBSTRING,
    SUFFIX,
    TRIM,
    TRIM_LEFT,
    TRIM_PREFIX,
    TRIM_RIGHT,
    TRIM_SUFFIX,
    UPPER,
    on_string,
    part,
    segments_parameter,
)
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    STRING_SORT,
    TRUE,
    Term,
    application,
    conj,
    disj,
    number,
    string,
)
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.concrete import plain_leaf
from entitlements.proof.symbolic.values.truncation import of_list
from entitlements.proof.symbolic.values.value import (
    STRING,
    Array,
    Const,
    Leaf,
    Segments,
    Set,
    Value,
    from_truth,
    of_leaf,
    scalar,
    term_of,
)

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""


# Strings.


def _string_predicate(predicate: str) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        return call.by_leaf(arguments, lambda one, other: _holds(predicate, one, other))

    return rule


def _holds(predicate: str, subject: Leaf, parameter: Leaf) -> Value:
    return from_truth(holds_of(predicate, term_of(parameter), term_of(subject)))


RULES["startswith"] = _string_predicate(PREFIX)
RULES["endswith"] = _string_predicate(SUFFIX)
RULES["contains"] = _string_predicate(INFIX)


def _any_match(predicate: str) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(subjects: Leaf, parameters: Leaf) -> Value | None:
            ones, others = _elements(call, subjects), _elements(call, parameters)
            every = (*ones, *others)
            if any(one.kind != STRING for _, one in every):
                return None
            held = [
                conj(there, also, holds_of(predicate, term_of(other), term_of(one)))
                for there, one in ones
                for also, other in others
            ]
            return from_truth(disj(*held))

        return call.by_leaf(arguments, leaf)

    return rule


def _elements(call: Context, leaf: Leaf) -> list[tuple[Term, Leaf]]:
    """The elements of a collection, or the one string."""
    if not isinstance(leaf, (Array, Set)):
        return [(TRUE, leaf)]
    call.algebra.noticed(leaf)
    return [(conj(guard, there), one) for guard, element in leaf.elements for there, one in element.cases]


RULES["strings.any_prefix_match"] = _any_match(PREFIX)
RULES["strings.any_suffix_match"] = _any_match(SUFFIX)


@rule_of(RULES, "regex.match", "re_match")
def _regex_match(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(pattern: Leaf, subject: Leaf) -> Value | None:
        if not isinstance(pattern, Const) or isinstance(subject, Const):
            return None
        (probe,) = call.ask("regex.match", [[pattern.value, ""]])
        return None if probe.failed else from_truth(on_string(MATCHES, pattern.value, term_of(subject)))

    return call.by_leaf(arguments, leaf)


@rule_of(RULES, "glob.match")
def _glob_match(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    def leaf(pattern: Leaf, delimiters: Leaf, subject: Leaf) -> Value | None:
        known, stops = plain_leaf(delimiters)
        if known and "-" in (stops or ()):
            # OPA keeps compiled globs by pattern, `-` and delimiters: `x` with `-.` gets that of `x-` with `.`.
            raise Unsupported(
                "glob_kept", f"`{call.algebra.notices.place}`: a glob has `-` as a delimiter, name another"
            )
        if not isinstance(pattern, Const) or not known or isinstance(subject, Const):
            return None
        (probe,) = call.ask("glob.match", [[pattern.value, stops, ""]])
        if probe.failed:
            return None
        return from_truth(on_string(GLOB, json.dumps([pattern.value, stops]), term_of(subject)))

    return call.by_leaf(arguments, leaf)


def _made(how: str, parameter: Callable[..., str | None]) -> Rule:
    """A string made of an open one and of constants. parameter: of the values of these; None leaves the rule."""

    def rule(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
        def leaf(subject: Leaf, *others: Leaf) -> Value | None:
            constants = [one.value for one in others if isinstance(one, Const)]
            if isinstance(subject, Const) or len(constants) != len(others):
                return None
            found = parameter(*constants)
            return None if found is None else _string(part(how, found, term_of(subject)))

        return call.by_leaf(arguments, leaf)

    return rule


def _span(start: int | Fraction, size: int | Fraction) -> str | None:
    whole = isinstance(start, int) and isinstance(size, int) and 0 <= start <= _LONGEST and size <= _LONGEST
    return json.dumps([start, size]) if whole else None


_LONGEST = 200
for _name in (TRIM_PREFIX, TRIM_SUFFIX, TRIM, TRIM_LEFT, TRIM_RIGHT):
    RULES[_name] = _made(_name, lambda cut: cut)
RULES["trim_space"] = _made(TRIM, lambda: SPACES)
RULES["lower"], RULES["upper"] = _made(LOWER, lambda: ""), _made(UPPER, lambda: "")
RULES["substring"] = _made(SUBSTRING, _span)
RULES["replace"] = _made(REPLACE, lambda old, new: json.dumps([old, new]) if old else None)

_SEGMENTS = 6
_BEYOND = 3


@rule_of(RULES, "split")
def _split(call: Context, arguments: Sequence[Value], _live: Term) -> Value:
    """The first segments of a string; nothing is known of those behind them, but that equal strings have the same."""

    def leaf(subject: Leaf, delimiter: Leaf) -> Value | None:
        if not isinstance(delimiter, Const) or not delimiter.value or isinstance(subject, Const):
            return None
        whole, mark = term_of(subject), delimiter.value
        elements = []
        for place in range(_SEGMENTS):
            there = on_string(SEGMENTS, segments_parameter(mark, place + 1), whole) if place else TRUE
            elements.append((there, _string(part(SEGMENT, segments_parameter(mark, place), whole))))
        more = on_string(SEGMENTS, segments_parameter(mark, _SEGMENTS + 1), whole)
        for place in range(_BEYOND):
            parts = (whole, string(mark), number(place))
            there = conj(more, application("split: there is a segment", parts, BOOL))
            elements.append((there, _string(application("split: the segment", parts, STRING_SORT))))
        source_list = f"split by {json.dumps(mark)}"
        call.algebra.notices.open_end(source_list, _SEGMENTS, _BEYOND)
        segments = Segments(whole, mark, _SEGMENTS, more)
        return of_leaf(
            Array(
                tuple(elements),
                prefix=False,
                known_multiplicity=False,
                truncated=of_list(source_list),
                segments=segments,
            )
        )

    return call.by_leaf(arguments, leaf)


def _string(term: Term) -> Value:
    return of_leaf(scalar(STRING, term))
