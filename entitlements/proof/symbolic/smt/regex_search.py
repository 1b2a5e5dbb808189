"""A match somewhere in a string: the branches of an expression, each with its assertions at its ends.

Guarantees: a string holds a match of the expression exactly if it holds one of some branch; no part of a branch but its
own assertions asserts anything of what is beside it. NotDecided where that is not possible.
"""

from __future__ import annotations

from collections.abc import Sequence as Parts
from typing import Final

from entitlements.proof.symbolic.smt.regex_nodes import (
    WORD,
    Alternation,
    Anchor,
    Boundary,
    Characters,
    Node,
    NotDecided,
    Repeat,
    Sequence,
)

_MOST_BRANCHES: Final = 64


def branches(node: Node) -> list[list[Node]]:
    """The branches, in parts that stand one after the other."""
    if isinstance(node, Anchor | Boundary) or not _asserts(node):
        return [list(node.parts) if isinstance(node, Sequence) else [node]]
    found: list[list[Node]] = [[]]
    match node:
        case Alternation(alternatives):
            found = [branch for one in alternatives for branch in branches(one)]
        case Sequence(parts):
            for part in parts:
                found = [[*one, *more] for one in found for more in branches(part)]
                _count(found)
        case Repeat(inner, least, 1) if least in (0, 1):
            found = [*([[]] if least == 0 else []), *branches(inner)]
        case _:
            raise NotDecided
    _count(found)
    return found


def _count(found: list[list[Node]]) -> None:
    if len(found) > _MOST_BRANCHES:
        raise NotDecided


def _asserts(node: Node) -> bool:
    match node:
        case Anchor() | Boundary():
            return True
        case Sequence(inner) | Alternation(inner):
            return any(map(_asserts, inner))
        case Repeat(one, _, _):
            return _asserts(one)
    return False


def first_is_word(parts: Parts[Node]) -> bool | None:
    """Whether every match begins with a word character (true), or with another one (false); None where it may be
    either, or empty."""
    return _edge(parts[0], 0) if parts else None


def last_is_word(parts: Parts[Node]) -> bool | None:
    """The same of the end."""
    return _edge(parts[-1], -1) if parts else None


def _edge(node: Node, end: int) -> bool | None:
    match node:
        case Characters(ranges, negated):
            codes = [code for low, high in WORD for code in range(low, high + 1)]
            held = {any(low <= code <= high for low, high in ranges) for code in codes}
            if negated:
                return False if held == {True} else None
            inside = all(any(a <= low and high <= b for a, b in WORD) for low, high in ranges)
            return True if inside and ranges else False if held == {False} and ranges else None
        case Sequence(parts):
            return _edge(parts[end], end) if parts else None
        case Alternation(alternatives):
            found = {_edge(one, end) for one in alternatives}
            return found.pop() if len(found) == 1 else None
        case Repeat(inner, least, _):
            return _edge(inner, end) if least else None
    return None
