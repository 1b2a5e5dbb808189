"""Classes of characters in regular expressions, by the dialects that have them."""

from __future__ import annotations

from collections.abc import Iterable

from entitlements.proof.symbolic.smt.regex_nodes import DIGITS, WORD, NotDecided, Range

RE2, CONTRACT = "re2", "contract"
_SPACE: tuple[Range, ...] = tuple((code, code) for code in b"\t\n\f\r ")
CLASSES = {"d": DIGITS, "w": WORD, "s": _SPACE}
CLASSES_OF = {CONTRACT: frozenset("dw"), RE2: frozenset("dwsDWS")}
"""Both count ASCII alone as digits and word characters; what counts as whitespace differs."""
CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
ESCAPED = frozenset(".-/+*?()[]{}|^$@:_ \\")
"""What may be escaped to represent itself in both."""
POSIX: dict[str, tuple[Range, ...]] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
_FOLDED = {0x6B: 0x212A, 0x4B: 0x212A, 0x73: 0x017F, 0x53: 0x017F}
"""The characters beyond ASCII that simple case folding makes equal to ones of ASCII: the Kelvin sign, the long s."""


def in_all(classes: Iterable[tuple[Range, ...]]) -> tuple[Range, ...]:
    """The characters of ASCII that are in each of these classes."""
    codes = [{code for low, high in ranges for code in range(low, high + 1)} for ranges in classes]
    return tuple((code, code) for code in sorted(set.intersection(*codes)))


def without(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """Ranges of one character each, but for those that others hold."""
    others = tuple(taken)
    return tuple((code, code) for code, _ in ranges if not any(low <= code <= high for low, high in others))


def folded(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """With the other case of each character of ASCII; beyond ASCII the folding is not known here."""
    if any(high > 0x7F for _, high in ranges):
        raise NotDecided
    more: list[int] = []
    for low, high in ranges:
        for code in range(low, high + 1):
            if chr(code).isalpha():
                more += [code ^ 0x20, *([_FOLDED[code]] if code in _FOLDED else [])]
    return (*ranges, *((code, code) for code in dict.fromkeys(more)))
