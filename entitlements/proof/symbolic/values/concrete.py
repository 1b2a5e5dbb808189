"""Symbolic values as constant documents: what a value is or may be, and the order in which OPA sorts them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from entitlements.engine.builtin_calls import SetDocument
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.value import (
    ARRAY,
    KINDS,
    NUMBER,
    OBJECT,
    SET,
    STRING,
    Array,
    Const,
    Leaf,
    NonCanonicalNumber,
    Object,
    Scalar,
    Value,
    kind_of,
)


def plain(value: Value) -> tuple[bool, Any]:
    """Whether a value is one constant document without anything symbolic in it, and that document; sets as
    `SetDocument`."""
    if len(value.cases) != 1 or value.cases[0][0] is not TRUE:
        return False, None
    return plain_leaf(value.cases[0][1])


def plain_leaf(leaf: Leaf) -> tuple[bool, Any]:
    """As `plain`, of a leaf."""
    if isinstance(leaf, Const):
        return True, leaf.value
    if isinstance(leaf, Scalar):
        return (
            (True, NonCanonicalNumber(leaf.term.args[0]))
            if leaf.kind == NUMBER and leaf.term.op is Op.CONST
            else (False, None)
        )
    if isinstance(leaf, Object):
        return _plain_object(leaf)
    if leaf.truncated or (isinstance(leaf, Array) and not (leaf.ordered and leaf.known_multiplicity)):
        return False, None
    items: list[Any] = [] if isinstance(leaf, Array) else SetDocument()
    for guard, element in leaf.elements:
        if guard is FALSE:
            continue
        known, item = plain(element)
        if guard is not TRUE or not known:
            return False, None
        items.append(item)
    return True, items


def _plain_object(leaf: Object) -> tuple[bool, Any]:
    members = {}
    if leaf.rest is not None or leaf.truncated:
        return False, None
    for guard, key, member in leaf.members:
        if guard is FALSE:
            continue
        known, document = plain(member)
        if guard is not TRUE or not known or not isinstance(key, Const) or key.kind != STRING:
            return False, None
        members[key.value] = document
    return True, members


def alternatives(value: Value, most: int) -> list[tuple[Term, Any]] | None:
    """Every constant document that a value may be, with its condition; None where there are more, or others."""
    found: list[tuple[Term, Any]] = []
    for guard, leaf in value.cases:
        inner = _leaf_alternatives(leaf, most)
        if inner is None or len(found) + len(inner) > most:
            return None
        found += [(condition, document) for one, document in inner if (condition := conj(guard, one)) is not FALSE]
    return found


def _leaf_alternatives(leaf: Leaf, most: int) -> list[tuple[Term, Any]] | None:
    if isinstance(leaf, (Const, Scalar)):
        if isinstance(leaf, Scalar):
            return (
                [(TRUE, NonCanonicalNumber(leaf.term.args[0]))]
                if leaf.kind == NUMBER and leaf.term.op is Op.CONST
                else None
            )
        return [(TRUE, leaf.value)]
    if isinstance(leaf, Object):
        if (
            leaf.rest is not None
            or leaf.truncated
            or any(not isinstance(k, Const) or k.kind != STRING for _, k, _ in leaf.members)
        ):
            return None
        names = [key.value for _, key, _ in leaf.members if isinstance(key, Const)]
        rows = _rows([(guard, member) for guard, _, member in leaf.members], most)
        return (
            None
            if rows is None
            else [(c, {n: d for n, d in zip(names, r, strict=True) if d is not _NO}) for c, r in rows]
        )
    if leaf.truncated or (isinstance(leaf, Array) and not (leaf.ordered and leaf.known_multiplicity)):
        return None
    rows = _rows(leaf.elements, most)
    make = list if isinstance(leaf, Array) else SetDocument
    return None if rows is None else [(c, make(d for d in row if d is not _NO)) for c, row in rows]


_NO: Final = object()


def _rows(elements: Sequence[tuple[Term, Value]], most: int) -> list[tuple[Term, list[Any]]] | None:
    rows: list[tuple[Term, list[Any]]] = [(TRUE, [])]
    for guard, element in elements:
        inner = alternatives(element, most)
        if inner is None:
            return None
        options = [(conj(guard, condition), document) for condition, document in inner]
        options.append((neg(guard), _NO))
        rows = [
            (condition, [*row, document])
            for one, row in rows
            for other, document in options
            if other is not FALSE and (condition := conj(one, other)) is not FALSE
        ]
        if len(rows) > most:
            return None
    return rows


def of_kind(value: Value, kind: str) -> Iterator[tuple[Term, Leaf]]:
    """The cases of one JSON type."""
    return ((guard, leaf) for guard, leaf in value.cases if leaf.kind == kind)


def compare(one: Any, other: Any) -> int:
    """OPA's order of documents: negative, zero or positive. Sets are `SetDocument`s."""
    left, right = _rank(one), _rank(other)
    if left != right:
        return left - right
    if isinstance(one, list):
        if isinstance(one, SetDocument):
            one, other = in_order(one), in_order(other)
        return next((c for x, y in zip(one, other, strict=False) if (c := compare(x, y))), len(one) - len(other))
    if isinstance(one, Mapping):
        pairs = zip(sorted(one.items(), key=_by_name), sorted(other.items(), key=_by_name), strict=False)
        found = (compare(key, name) or compare(x, y) for (key, x), (name, y) in pairs)
        return next((c for c in found if c), len(one) - len(other))
    return 0 if one is None else (one > other) - (one < other)


def _by_name(member: tuple[str, Any]) -> str:
    return member[0]


def _rank(document: Any) -> int:
    if isinstance(document, Mapping):
        return KINDS.index(OBJECT)
    if isinstance(document, list):
        return KINDS.index(SET if isinstance(document, SetDocument) else ARRAY)
    return KINDS.index(kind_of(document))


def in_order(documents: Iterable[Any]) -> list[Any]:
    """Documents as OPA sorts them, each once."""
    found: list[Any] = []
    for document in sorted(documents, key=functools.cmp_to_key(compare)):
        if not found or compare(found[-1], document):
            found.append(document)
    return found


def _before(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
    return compare(one[0], other[0])


def sorted_elements(elements: Sequence[tuple[Term, Leaf, Value]]) -> tuple[tuple[Term, Leaf, Value], ...] | None:
    """Guarded elements by the order of their leaves, equal ones as one; None where a leaf is no constant document."""
    rows: list[tuple[Any, tuple[Term, Leaf, Value]]] = []
    for row in elements:
        known, document = plain_leaf(row[1])
        if not known:
            return None
        rows.append((document, row))
    rows.sort(key=functools.cmp_to_key(_before))
    found: list[tuple[Term, Leaf, Value]] = []
    last: Any = None
    for document, row in rows:
        if found and compare(last, document) == 0:
            found[-1] = (disj(found[-1][0], row[0]), *found[-1][1:])
        else:
            found.append(row)
            last = document
    return tuple(found)


def is_non_canonical(document: Any) -> bool:
    """Whether a document holds a number whose spelling is not known."""
    if isinstance(document, dict):
        return any(map(is_non_canonical, document.values()))
    return (
        any(map(is_non_canonical, document)) if isinstance(document, list) else isinstance(document, NonCanonicalNumber)
    )


def respelt(document: Any) -> Any:
    """A document in which the spelling of no number is known."""
    if isinstance(document, dict):
        return {name: respelt(member) for name, member in document.items()}
    if isinstance(document, list):
        return type(document)(map(respelt, document))
    return Fraction(document) if type(document) is int or isinstance(document, Fraction) else document


def as_key(document: Any) -> Any:
    """A document as something that can be looked up, `1` and `true` apart."""
    if isinstance(document, SetDocument):
        return ("set", *map(as_key, document))
    if isinstance(document, list):
        return ("list", *map(as_key, document))
    if isinstance(document, dict):
        return ("object", *((name, as_key(member)) for name, member in document.items()))
    return (type(document) is bool, document)
