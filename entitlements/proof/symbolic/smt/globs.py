"""Globs as OPA reads them, as nodes of regular expressions (github.com/gobwas/glob v1, Compile and syntax/lexer.go).

Assumes: OPA has compiled the pattern, so that it is well-formed. Guarantees: the node matches exactly what the glob
matches; NotDecided for what is not followed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from entitlements.proof.symbolic.smt.regex_nodes import (
    LAST_CHARACTER,
    Alternation,
    Characters,
    Node,
    NotDecided,
    Repeat,
    Sequence,
)

_ANY: Final = Characters((), negated=True)
_DEPTH: Final = 60


def parse_glob(pattern: str, delimiters: Collection[str]) -> Node:
    """Read a glob. delimiters: the characters that `*` and `?` do not match. Raises NotDecided."""
    if any(len(one) != 1 for one in delimiters) or max(map(ord, (*pattern, *delimiters)), default=0) > LAST_CHARACTER:
        raise NotDecided
    stops = tuple((ord(one), ord(one)) for one in delimiters)
    parser = _Globs(pattern, Characters(stops, negated=True))
    node = parser.sequence(0)
    if parser.more:
        raise NotDecided
    return node


class _Globs:
    def __init__(self, pattern: str, one: Node) -> None:
        self._pattern, self._one = pattern, one
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._pattern)

    def _take(self) -> str:
        if not self.more:
            raise NotDecided
        self._at += 1
        return self._pattern[self._at - 1]

    def _takes(self, wanted: str) -> bool:
        found = self._pattern.startswith(wanted, self._at)
        self._at += len(wanted) * found
        return found

    def sequence(self, depth: int) -> Node:
        """Up to the end; within braces up to the end of the alternative."""
        parts: list[Node] = []
        while self.more and not (depth and self._pattern[self._at] in ",}"):
            parts.append(self._part(depth))
        return Sequence(tuple(parts))

    def _part(self, depth: int) -> Node:
        if self._takes("**"):
            return Repeat(_ANY, 0, None)
        one = self._take()
        if one == "*":
            return Repeat(self._one, 0, None)
        if one == "?":
            return self._one
        if one == "{":
            return self._alternatives(depth + 1)
        if one == "[":
            return self._class()
        return _character(self._take() if one == "\\" else one)

    def _alternatives(self, depth: int) -> Node:
        if depth > _DEPTH:
            raise NotDecided
        branches = [self.sequence(depth)]
        while self._takes(","):
            branches.append(self.sequence(depth))
        if not self._takes("}"):
            raise NotDecided
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def _class(self) -> Node:
        """A range of two characters, neither of which is escaped, or a set in which `-` is a character."""
        negated = self._takes("!")
        low = self._take()
        if self._takes("-"):
            high = self._take()
            if not self._takes("]") or high < low:
                raise NotDecided
            return Characters(((ord(low), ord(high)),), negated)
        self._at -= 1
        found = []
        while not self._takes("]"):
            one = self._take()
            found.append(ord(self._take() if one == "\\" else one))
        if not found:
            raise NotDecided
        return Characters(tuple((code, code) for code in found), negated)


def _character(one: str) -> Node:
    return Characters(((ord(one), ord(one)),))
