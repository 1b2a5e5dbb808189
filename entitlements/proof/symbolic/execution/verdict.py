"""When a policy's symbolic answer is an allow: read as strictly as the service reads OPA's.

Assumes: the value is that of the result set. Guarantees: wherever the service would read an allow, `allow` holds and
no failure or doubt does; where the service may refuse a decision for its form (too many reasons, a code that is no
code), `doubtful` holds. Order and number of a list that is represented by its members are not known: docs/proof-
bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape, Path
from entitlements.engine.answer import CODE, MAX_OBLIGATIONS, MAX_REASONS
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    TRUE,
    Term,
    conj,
    count,
    disj,
    implies,
    less,
    neg,
    number,
    truth,
)
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import OBJECT, STRING, Array, Const, Leaf, Object, Set, Value, joined


@dataclass(frozen=True)
class ReadDecision:
    """allow: where the answer is an allow, if it is well-formed; doubtful: where its form cannot be told; obligations:
    those that it holds, each under a condition.
    """

    allow: Term
    doubtful: Term
    obligations: tuple[tuple[Term, Value], ...] = ()


def read_decision(algebra: Algebra, value: Value, shape: AnswerShape = PLAIN_ANSWER) -> ReadDecision:
    """The decision of a result that holds it under `result`; only the literal `true` allows, where the shape has it."""
    result = decided(algebra, value)
    allows, doubts = [], []
    obligations: list[tuple[Term, Value]] = []
    for guard, leaf in result.cases:
        if isinstance(leaf, Const):
            allows.append(conj(guard, truth(shape.boolean and leaf is Const(True))))
        elif isinstance(leaf, Object):
            good, doubtful = _well_formed(algebra, leaf, shape)
            allow = _is_true(member_at(algebra, leaf, shape.allow))
            allows.append(conj(guard, good, allow))
            doubts.append(conj(guard, good, allow, doubtful))
            obligations += [
                (conj(guard, there), obligation) for there, obligation in _obligations(algebra, leaf, shape)
            ]
    return ReadDecision(disj(*allows), disj(*doubts), tuple(obligations))


def decided(algebra: Algebra, value: Value) -> Value:
    """The decision itself of a result that holds it under `result`."""
    return _member(algebra, value, "result")


def _obligations(algebra: Algebra, leaf: Object, shape: AnswerShape) -> list[tuple[Term, Value]]:
    """The obligations of a decision object, each under its condition."""
    return [
        (conj(guard, there), obligation)
        for guard, collection in member_at(algebra, leaf, shape.obligations).cases
        if isinstance(collection, (Array, Set))
        for there, obligation in collection.elements
    ]


def lost_obligation(algebra: Algebra, held: Sequence[tuple[Term, Value]], holds: Sequence[tuple[Term, Value]]) -> Term:
    """Where some obligation of `held` is not among those of `holds`, as a JSON object."""
    return disj(*(conj(there, neg(_kept(algebra, there, obligation, holds))) for there, obligation in held))


def _kept(algebra: Algebra, there: Term, obligation: Value, holds: Sequence[tuple[Term, Value]]) -> Term:
    found = []
    for condition, other in holds:
        same = algebra.equal(obligation, other)
        if condition is there and same is TRUE:
            return TRUE
        found.append(conj(condition, same))
    return disj(*found)


def _member(algebra: Algebra, value: Value, name: str) -> Value:
    parts = []
    for guard, leaf in value.cases:
        if isinstance(leaf, Object):
            parts += [(conj(guard, at), member) for at, member in algebra.object_lookup(leaf, Const(name))]
    return joined(parts)


def member_at(algebra: Algebra, leaf: Object, path: Path | None) -> Value:
    """What stands at a path of an object; nothing without a path."""
    value = Value(((TRUE, leaf),)) if path else joined([])
    for name in path or ():
        value = _member(algebra, value, name)
    return value


def _is_true(value: Value) -> Term:
    return disj(*(guard for guard, leaf in value.cases if leaf is Const(True)))


def _well_formed(algebra: Algebra, leaf: Object, shape: AnswerShape) -> tuple[Term, Term]:
    """Where a decision object is not surely malformed, and where that cannot be told."""
    good: list[Term] = []
    doubtful: list[Term] = []
    _shaped(TRUE, leaf, shape.members, good, doubtful)
    for path, most, item in ((shape.reasons, MAX_REASONS, _code), (shape.obligations, MAX_OBLIGATIONS, _obligation)):
        for guard, collection in member_at(algebra, leaf, path).cases:
            if not isinstance(collection, (Array, Set)):
                good.append(neg(guard))
                continue
            size = count([there for there, _ in collection.elements])
            # A list that is represented by its members may hold one of them again and again.
            unsized = collection.truncated or (isinstance(collection, Array) and not collection.known_multiplicity)
            doubtful.append(guard if unsized else conj(guard, less(number(most), size)))
            for there, element in collection.elements:
                for condition, one in element.cases:
                    holds, doubt = item(algebra, one)
                    good.append(implies(conj(guard, there, condition), holds))
                    doubtful.append(conj(guard, there, condition, doubt))
    return conj(*good), disj(*doubtful)


def _shaped(guard: Term, leaf: Leaf, members: Mapping[str, Any], good: list[Term], doubtful: list[Term]) -> None:
    """That an object, under a condition, has no members but these: what surely is so, and where it cannot be told."""
    if not isinstance(leaf, Object):
        good.append(neg(guard))
        return
    if leaf.rest is not None:
        doubtful.append(guard)
    for there, key, value in leaf.members:
        held = conj(guard, there)
        if not isinstance(key, Const):
            doubtful.append(held)
        elif key.value not in members:
            good.append(neg(held))
        elif (inner := members[key.value]) is not None:
            for condition, one in value.cases:
                _shaped(conj(held, condition), one, inner, good, doubtful)


def _code(_algebra: Algebra, leaf: Leaf) -> tuple[Term, Term]:
    if leaf.kind != STRING:
        return FALSE, FALSE
    return (truth(CODE.fullmatch(leaf.value) is not None), FALSE) if isinstance(leaf, Const) else (TRUE, TRUE)


def _obligation(algebra: Algebra, leaf: Leaf) -> tuple[Term, Term]:
    if leaf.kind != OBJECT:
        return FALSE, FALSE
    identifier = _member(algebra, Value(((TRUE, leaf),)), "id")
    return disj(*(guard for guard, one in identifier.cases if one.kind == STRING)), FALSE
