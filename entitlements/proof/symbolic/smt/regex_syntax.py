"""The regular expressions that are decided: a parser of exactly these, so that what it does not know is not followed.

RE2 is what OPA's `regex.match` reads (Go's `regexp/syntax`); CONTRACT is what a contract's `pattern` may be written in
and means the same to its validator: fewer escapes, no flags. Both look for a match anywhere in the string.
"""

from __future__ import annotations

from collections.abc import Iterable

from entitlements.proof.symbolic.smt.regex_classes import (
    CLASSES,
    CLASSES_OF,
    CONTRACT,
    CONTROLS,
    ESCAPED,
    POSIX,
    RE2,
    folded,
    in_all,
    without,
)
from entitlements.proof.symbolic.smt.regex_nodes import (
    LAST_CHARACTER,
    Alternation,
    Anchor,
    Boundary,
    Characters,
    Node,
    NotDecided,
    Range,
    Repeat,
    Sequence,
    repeats,
)

_MOST_REPEATS = 400
_MOST_NESTED_REPEATS = 1000
"""Go refuses counted repeats whose product is greater, `regexp/syntax` repeatIsValid."""
_DEPTH = 60


def parse(pattern: str, dialect: str) -> Node:
    """Read an expression. dialect: RE2 or CONTRACT. Raises NotDecided."""
    parser = _Parser(pattern, dialect)
    node = parser.alternation(0)
    if parser.more:
        raise NotDecided  # A closing bracket without its opening one.
    return node


class _Parser:
    def __init__(self, pattern: str, dialect: str) -> None:
        self._pattern, self._dialect = pattern, dialect
        self._at = 0
        self._flags = frozenset[str]()
        self._names: set[str] = set()

    @property
    def more(self) -> bool:
        return self._at < len(self._pattern)

    @property
    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self, count: int = 1) -> str:
        taken = self._pattern[self._at : self._at + count]
        if len(taken) < count:
            raise NotDecided
        self._at += count
        return taken

    def _takes(self, wanted: str) -> bool:
        found = self._pattern.startswith(wanted, self._at)
        self._at += len(wanted) * found
        return found

    def _until(self, end: str) -> str:
        stop = self._pattern.find(end, self._at)
        if stop < 0:
            raise NotDecided
        taken, self._at = self._pattern[self._at : stop], stop + len(end)
        return taken

    def alternation(self, depth: int) -> Node:
        """Branches up to the end of the group; flags that are set within it end with it."""
        if depth > _DEPTH:
            raise NotDecided
        flags = self._flags
        branches = [self._sequence(depth)]
        while self._takes("|"):
            branches.append(self._sequence(depth))
        self._flags = flags
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.more and self._next not in "|)":
            if self._dialect == RE2 and self._takes("\\Q"):
                parts += self._quoted()
                continue
            atom = self._atom(depth)
            if atom is not None:
                parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _quoted(self) -> list[Node]:
        """Characters up to `\\E` or the end; what follows repeats the last of them."""
        quoted, _, _ = self._pattern[self._at :].partition("\\E")
        self._at = min(self._at + len(quoted) + 2, len(self._pattern))
        found = [self._characters([(ord(one), ord(one))]) for one in quoted]
        return [*found[:-1], self._repeated(found[-1])] if found else []

    def _atom(self, depth: int) -> Node | None:
        """One part; None for a group that only sets flags."""
        one = self._take()
        if one in "^$":
            return Anchor(one == "^", "m" in self._flags)
        if one == "(":
            return self._group(depth)
        if one == "[":
            return self._set()
        if one == ".":
            return Characters(() if "s" in self._flags else ((10, 10),), negated=True)
        if one == "\\":
            return self._escape()
        if one in "*+?" or (one == "{" and self._next in set("0123456789,")):
            raise NotDecided
        return self._characters([(ord(one), ord(one))])

    def _escape(self) -> Node:
        one = self._take()
        if self._dialect == RE2 and one in "Az":
            return Anchor(one == "A")
        if self._dialect == RE2 and one in "bB":
            return Boundary(one == "B")
        if one in CLASSES_OF[self._dialect]:
            return self._characters(CLASSES[one.lower()], negated=one.isupper())
        code = self._escaped(one)
        return self._characters([(code, code)])

    def _escaped(self, one: str) -> int:
        """The character that an escape represents."""
        if one in ESCAPED:
            return ord(one)
        if self._dialect != RE2:
            raise NotDecided
        if one == "x":
            digits = self._until("}") if self._takes("{") else self._take(2)
            if not digits or len(digits) > 8 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise NotDecided
            return int(digits, 16)
        if one in CONTROLS:
            return CONTROLS[one]
        if one.isascii() and not one.isalnum():
            return ord(one)
        raise NotDecided

    def _group(self, depth: int) -> Node | None:
        if not self._takes("?") or self._takes(":"):
            return self._closed(depth)
        if self._dialect != RE2:
            raise NotDecided
        if self._takes("P<") or self._takes("<"):
            name = self._until(">")
            if not (name.isascii() and name.replace("_", "a").isalnum()) or name in self._names:
                raise NotDecided
            self._names.add(name)
            return self._closed(depth)
        return self._flagged(depth)

    def _flagged(self, depth: int) -> Node | None:
        """`(?i)` up to the end of the group, `(?i:…)` for its own; `-` takes flags away. `U` finds the same strings."""
        before, taken = self._flags, False
        while (flag := self._take()) in "imsU-":
            if flag == "-" and taken:
                raise NotDecided
            taken = taken or flag == "-"
            self._flags = self._flags - {flag} if taken else self._flags | {flag}
        if flag == ")":
            return None
        if flag != ":":
            raise NotDecided
        found = self._closed(depth)
        self._flags = before
        return found

    def _closed(self, depth: int) -> Node:
        inner = self.alternation(depth + 1)
        if not self._takes(")"):
            raise NotDecided
        return inner

    def _repeated(self, atom: Node) -> Node:
        count = self._count()
        if count is None:
            return atom
        if isinstance(atom, Anchor | Boundary) or repeats(node := Repeat(atom, *count)) > _MOST_NESTED_REPEATS:
            raise NotDecided
        # A lazy repeat finds another match first, of the same strings.
        self._takes("?")
        if self._count() is not None:
            raise NotDecided
        return node

    def _count(self) -> tuple[int, int | None] | None:
        for mark, count in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(mark):
                return count
        if self._next != "{":
            return None
        least, comma, most = self._pattern[self._at + 1 :].partition("}")[0].partition(",")
        if not _is_count(least) or not (most == "" or _is_count(most)):
            if least[:1].isdigit() or comma:
                raise NotDecided
            return None
        self._until("}")
        ends = int(least), (int(most) if most else None) if comma else int(least)
        if max(ends[0], ends[1] or 0) > _MOST_REPEATS or (ends[1] is not None and ends[1] < ends[0]):
            raise NotDecided
        return ends

    def _set(self) -> Node:
        negated = self._takes("^")
        ranges: list[Range] = []
        others: list[tuple[Range, ...]] = []
        first = True
        while first or self._next != "]":
            found, is_complement = self._item(first=first)
            if is_complement:
                others.append(tuple(found))
            else:
                ranges += found
            first = False
        self._take()
        if not others:
            return self._characters(ranges, negated=negated)
        if self._dialect != RE2 or "i" in self._flags:
            raise NotDecided
        # All but what none of them lacks: what each complement leaves out and nothing else holds.
        return Characters(without(in_all(others), ranges), negated=not negated)

    def _item(self, *, first: bool) -> tuple[Iterable[Range], bool]:
        """One character, range or class of a set, and whether it is all but that."""
        if self._pattern.startswith("[:", self._at):
            return self._posix()
        one = self._take()
        if self._dialect == CONTRACT and one in "[&~-" and (one == "[" or self._takes(one)):
            raise NotDecided  # Operations on sets, for some readers.
        if one == "\\":
            escape = self._take()
            if escape in CLASSES_OF[self._dialect]:
                if self._dialect == CONTRACT and self._is_range():
                    raise NotDecided
                return CLASSES[escape.lower()], escape.isupper()
            low = self._escaped(escape)
        elif one == "-" and not first and self._next != "]" and self._dialect == CONTRACT:
            raise NotDecided
        else:
            low = ord(one)
        if not self._is_range():
            return [(low, low)], False
        self._take()
        high = self._take()
        if high in "[" or (high == "-" and self._dialect == CONTRACT and self._next == "-"):
            raise NotDecided
        last = self._escaped(self._take()) if high == "\\" else ord(high)
        if last < low:
            raise NotDecided
        return [(low, last)], False

    def _is_range(self) -> bool:
        return self._next == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", "")

    def _posix(self) -> tuple[Iterable[Range], bool]:
        self._take(2)
        negated = self._takes("^")
        name = self._until(":]")
        if self._dialect != RE2 or name not in POSIX:
            raise NotDecided
        return POSIX[name], negated

    def _characters(self, ranges: Iterable[Range], *, negated: bool = False) -> Node:
        found = tuple(ranges)
        if any(high > LAST_CHARACTER or (low <= 0xDFFF and high >= 0xD800) for low, high in found):
            raise NotDecided
        return Characters(folded(found) if "i" in self._flags else found, negated)


def _is_count(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 4 and (digits == "0" or digits[0] != "0")
