"""What is said of two strings of which neither has to be known, and whole numbers written in digits.

What both begin or end with is cut off first; of a constant that holds the other one as a prefix, a suffix or an infix
only few strings can be that. What is left is a relation of two open strings, which the solver decides.

Guarantees: a term means what its name says under every assignment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import (
    INFIX,
    PREDICATES,
    PREFIX,
    SUFFIX,
    concatenation,
    on_string,
)
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    FALSE,
    STRING_SORT,
    TRUE,
    Term,
    conj,
    disj,
    equal,
    make,
    number,
    string,
    truth,
)

_MOST_PARTS: Final = 200
_MOST_DIGITS: Final = 1000
_DIGITS: Final = re.compile(r"0|-?[1-9][0-9]*")


def digits(whole: Term) -> Term:
    """A whole number in decimal digits, as OPA prints it."""
    return string(str(whole.args[0])) if whole.op is Op.CONST else make(Op.DIGITS, (whole,), STRING_SORT)


def same_strings(one: Term, other: Term) -> Term:
    """Equality of two strings."""
    left, right = _parts(one), _parts(other)
    if not (_cut(left, right, 0) and _cut(left, right, -1)):
        return FALSE
    if not left or not right:
        return conj(*(_empty(rest) for rest in (*left, *right)))
    if len(left) == len(right) == 1:
        return _same(left[0], right[0])
    return equal(concatenation(left), concatenation(right))


def holds_of(predicate: str, parameter: Term, subject: Term) -> Term:
    """Whether a string has another one as prefix, suffix or infix."""
    inner, outer = _parts(parameter), _parts(subject)
    if predicate == INFIX:
        return TRUE if _is_inside(inner, outer) else _related(INFIX, parameter, subject)
    if not _cut(inner, outer, 0 if predicate == PREFIX else -1):
        return FALSE
    if not inner:
        return TRUE
    if not outer:
        return conj(*map(_empty, inner))
    return _related(predicate, concatenation(inner), concatenation(outer))


def _related(predicate: str, parameter: Term, subject: Term) -> Term:
    if parameter.op == subject.op is Op.CONST:
        return truth(PREDICATES[predicate](subject.args[0], parameter.args[0]))
    if parameter.op is Op.CONST:
        return on_string(predicate, parameter.args[0], subject)
    found = _parts_of(predicate, subject.args[0]) if subject.op is Op.CONST else None
    if found is None or len(found) > _MOST_PARTS:
        return make(Op.ON_STRINGS, (predicate, parameter, subject), BOOL)
    return disj(*(same_strings(parameter, string(one)) for one in found))


def _parts_of(predicate: str, whole: str) -> Sequence[str] | None:
    """Every prefix, suffix or infix of a constant, each once; None where it is too long to list them."""
    size = len(whole)
    if predicate == PREFIX:
        return [whole[:end] for end in range(size + 1)]
    if predicate == SUFFIX:
        return [whole[start:] for start in range(size + 1)]
    if size > _MOST_PARTS:
        return None
    return list(dict.fromkeys(whole[start:end] for start in range(size + 1) for end in range(start, size + 1)))


def _parts(subject: Term) -> list[Term]:
    """What a string is put together of; nothing for the empty one."""
    if subject.op is Op.CONCAT:
        return list(subject.args)
    return [] if subject.op is Op.CONST and not subject.args[0] else [subject]


def _cut(one: list[Term], other: list[Term], end: int) -> bool:
    """Take off what both begin with (`end` 0) or end with (-1); false where they cannot be the same there."""
    while one and other:
        left, right = one[end], other[end]
        if left is right:
            shared = None
        elif left.op == right.op is Op.CONST:
            shared = min(len(left.args[0]), len(right.args[0]))
            if _taken(left.args[0], shared, end) != _taken(right.args[0], shared, end):
                return False
        else:
            break
        for parts in (one, other):
            _shorten(parts, shared, end)
    return True


def _taken(whole: str, size: int, end: int) -> str:
    return whole[:size] if end == 0 else whole[len(whole) - size :]


def _shorten(parts: list[Term], size: int | None, end: int) -> None:
    whole = parts.pop(end)
    rest = "" if size is None else whole.args[0][size:] if end == 0 else whole.args[0][: len(whole.args[0]) - size]
    if rest:
        parts.insert(0 if end == 0 else len(parts), string(rest))


def _same(one: Term, other: Term) -> Term:
    """Equality of two strings of one part each."""
    if one.op is not Op.DIGITS:
        one, other = other, one
    if one.op == other.op is Op.DIGITS:
        return equal(one.args[0], other.args[0])
    if one.op is Op.DIGITS and other.op is Op.CONST:
        written = other.args[0]
        if not _DIGITS.fullmatch(written):
            return FALSE
        return equal(one, other) if len(written) > _MOST_DIGITS else equal(one.args[0], number(int(written)))
    return equal(one, other)


def _empty(part: Term) -> Term:
    return FALSE if part.op in (Op.CONST, Op.DIGITS) else equal(part, string(""))


def _is_inside(inner: Sequence[Term], outer: Sequence[Term]) -> bool:
    """Whether one string surely is a part of the other."""
    size = len(inner)
    return any(list(outer[start : start + size]) == list(inner) for start in range(len(outer) - size + 1))
