"""The regular expressions that are decided: a parser of exactly these, so that what it does not know is not followed.

RE2 is what OPA's `regex.match` reads (Go's `regexp/syntax`); CONTRACT is what a contract's `pattern` may be written in
and means the same to its validator: fewer escapes, no flags. Both look for a match anywhere in the string.
"""

from __future__ import annotations

from collections.abc import Iterable

from entitlements.proof.symbolic.smt.regex_nodes import (
    Alternation,
    Anchor,
    Characters,
    Node,
    Range,
    Repeat,
    Sequence,
    repeats,
)

RE2, CONTRACT = "re2", "contract"
_MOST_REPEATS = 400
_MOST_NESTED_REPEATS = 1000
"""Go refuses counted repeats whose product is greater, `regexp/syntax` repeatIsValid."""
_DEPTH = 60
_LAST = 0x2FFFE
"""The last character that an SMT-LIB literal can hold before the solver's own limit."""


class NotDecided(Exception):
    """The expression holds something that is not followed."""


_DIGITS: tuple[Range, ...] = ((0x30, 0x39),)
_WORD: tuple[Range, ...] = (*_DIGITS, (0x41, 0x5A), (0x61, 0x7A), (0x5F, 0x5F))
_SPACE: tuple[Range, ...] = tuple((code, code) for code in b"\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CLASSES_OF = {CONTRACT: frozenset("dw"), RE2: frozenset("dwsDWS")}
"""Both count ASCII alone as digits and word characters; what counts as whitespace differs."""
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_ESCAPED = frozenset(".-/+*?()[]{}|^$@:_ \\")
"""What may be escaped to represent itself in both."""
_POSIX: dict[str, tuple[Range, ...]] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": _WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
_FOLDED = {0x6B: 0x212A, 0x4B: 0x212A, 0x73: 0x017F, 0x53: 0x017F}
"""The characters beyond ASCII that simple case folding makes equal to ones of ASCII: the Kelvin sign, the long s."""


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
        self._fold = self._dot_all = False
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
        flags = self._fold, self._dot_all
        branches = [self._sequence(depth)]
        while self._takes("|"):
            branches.append(self._sequence(depth))
        self._fold, self._dot_all = flags
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.more and self._next not in "|)":
            atom = self._atom(depth)
            if atom is not None:
                parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _atom(self, depth: int) -> Node | None:
        """One part; None for a group that only sets flags."""
        one = self._take()
        if one in "^$":
            return Anchor(one == "^")
        if one == "(":
            return self._group(depth)
        if one == "[":
            return self._set()
        if one == ".":
            return Characters(() if self._dot_all else ((10, 10),), negated=True)
        if one == "\\":
            return self._escape()
        if one in "*+?" or (one == "{" and self._next in set("0123456789,")):
            raise NotDecided
        return self._characters([(ord(one), ord(one))])

    def _escape(self) -> Node:
        one = self._take()
        if self._dialect == RE2 and one in "Az":
            return Anchor(one == "A")
        if one in _CLASSES_OF[self._dialect]:
            return self._characters(_CLASSES[one.lower()], negated=one.isupper())
        code = self._escaped(one)
        return self._characters([(code, code)])

    def _escaped(self, one: str) -> int:
        """The character that an escape represents."""
        if one in _ESCAPED:
            return ord(one)
        if self._dialect != RE2:
            raise NotDecided
        if one == "x":
            digits = self._until("}") if self._takes("{") else self._take(2)
            if not digits or len(digits) > 8 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise NotDecided
            return int(digits, 16)
        if one in _CONTROLS:
            return _CONTROLS[one]
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
        return self._flags(depth)

    def _flags(self, depth: int) -> Node | None:
        """`(?i)` up to the end of the group, `(?i:…)` for its own; `i` and `s` alone, as others move the anchors."""
        before = self._fold, self._dot_all
        while (flag := self._take()) in "is":
            self._fold, self._dot_all = self._fold or flag == "i", self._dot_all or flag == "s"
        if flag == ")" and before != (self._fold, self._dot_all):
            return None
        if flag != ":":
            raise NotDecided
        found = self._closed(depth)
        self._fold, self._dot_all = before
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
        if isinstance(atom, Anchor) or repeats(node := Repeat(atom, *count)) > _MOST_NESTED_REPEATS:
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
        first = True
        while first or self._next != "]":
            ranges += self._item(first=first)
            first = False
        self._take()
        return self._characters(ranges, negated=negated)

    def _item(self, *, first: bool) -> Iterable[Range]:
        """One character, range or class of a set."""
        if self._pattern.startswith("[:", self._at):
            return self._posix()
        one = self._take()
        if self._dialect == CONTRACT and one in "[&~-" and (one == "[" or self._takes(one)):
            raise NotDecided  # Operations on sets, for some readers.
        if one == "\\":
            escape = self._take()
            if escape in _CLASSES_OF[self._dialect]:
                if escape.isupper() or self._is_range():
                    raise NotDecided
                return _CLASSES[escape]
            low = self._escaped(escape)
        elif one == "-" and not first and self._next != "]":
            raise NotDecided
        else:
            low = ord(one)
        if not self._is_range():
            return [(low, low)]
        self._take()
        high = self._take()
        if high in "[" or (high == "-" and self._dialect == CONTRACT and self._next == "-"):
            raise NotDecided
        last = self._escaped(self._take()) if high == "\\" else ord(high)
        if last < low:
            raise NotDecided
        return [(low, last)]

    def _is_range(self) -> bool:
        return self._next == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", "")

    def _posix(self) -> Iterable[Range]:
        self._take(2)
        name = self._until(":]")
        if self._dialect != RE2 or name not in _POSIX:
            raise NotDecided
        return _POSIX[name]

    def _characters(self, ranges: Iterable[Range], *, negated: bool = False) -> Node:
        found = tuple(ranges)
        if any(high > _LAST or (low <= 0xDFFF and high >= 0xD800) for low, high in found):
            raise NotDecided
        return Characters(_folded(found) if self._fold else found, negated)


def _folded(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """With the other case of each character of ASCII; beyond ASCII the folding is not known here."""
    if any(high > 0x7F for _, high in ranges):
        raise NotDecided
    more: list[int] = []
    for low, high in ranges:
        for code in range(low, high + 1):
            if chr(code).isalpha():
                more += [code ^ 0x20, *([_FOLDED[code]] if code in _FOLDED else [])]
    return (*ranges, *((code, code) for code in dict.fromkeys(more)))


def _is_count(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 4 and (digits == "0" or digits[0] != "0")
