"""What a regular expression is made of."""

from __future__ import annotations

from dataclasses import dataclass

LAST_CHARACTER = 0x2FFFE
"""The last character that an SMT-LIB literal can hold before the solver's own limit."""


class NotDecided(Exception):
    """The expression holds something that is not followed."""


Range = tuple[int, int]
"""The first and the last character, as code points."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of these ranges, or of none of them."""

    ranges: tuple[Range, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start of the string, or its end. line: also the start or the end of a line."""

    start: bool
    line: bool = False


@dataclass(frozen=True, slots=True)
class Boundary:
    """Between a word character and another one or an end, or (`within`) not there."""

    within: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    """Any of these."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """So many times at least, and at most; None for as often as wanted."""

    inner: Node
    least: int
    most: int | None


Node = Characters | Anchor | Boundary | Sequence | Alternation | Repeat
DIGITS: tuple[Range, ...] = ((0x30, 0x39),)
WORD: tuple[Range, ...] = (*DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
"""ASCII alone: RE2 counts no other characters as digits and word characters."""


def repeats(node: Node) -> int:
    """How often the innermost part may be asked for, by counted repeats alone."""
    match node:
        case Repeat(one, least, most):
            return max(most if most is not None else least, 1) * repeats(one)
        case Sequence(parts):
            return max(map(repeats, parts), default=1)
        case Alternation(branches):
            return max(map(repeats, branches), default=1)
    return 1
