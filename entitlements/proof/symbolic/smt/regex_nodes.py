"""What a regular expression is made of."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[int, int]
"""The first and the last character, as code points."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of these ranges, or of none of them."""

    ranges: tuple[Range, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start of the string, or its end."""

    start: bool


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


Node = Characters | Anchor | Sequence | Alternation | Repeat


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
