"""Terms of texts: what is said of a text, and texts that are made of others. No solver is known here."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from entitlements.proof.symbolic.terms.term import BOOL, INT, TEXT, Term, make, number, text

PREFIX, SUFFIX, INFIX, MATCHES, GLOB, CONFORMS = "prefix", "suffix", "infix", "matches", "glob", "conforms"
# The `pattern` of a contract, which its validator reads otherwise than OPA reads an expression.
PATTERN = "pattern"
PIECES, HAS_PIECE = "pieces", "has_piece"
PIECE, TRIM_PREFIX, TRIM_SUFFIX = "piece", "trim_prefix", "trim_suffix"
LOWER, UPPER, TRIM, TRIM_LEFT, TRIM_RIGHT = "lower", "upper", "trim", "trim_left", "trim_right"
SUBSTRING, REPLACE = "substring", "replace"
SPACES: Final = "".join(
    map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
"""What Go counts as white space (unicode.IsSpace)."""


_LAST_LETTER = 0x2FFFF


def on_text(predicate: str, parameter: str, subject: Term) -> Term:
    """A predicate of a text that has a constant parameter: one of `PREDICATES`, or `matches`, `glob`, `conforms`, which
    others decide of a constant.
    """
    return make("on_text", (predicate, parameter, subject), BOOL)


def _pieces(subject: str, parameter: str) -> bool:
    delimiter, least = json.loads(parameter)
    return len(subject.split(delimiter)) >= int(least)


def _has_piece(subject: str, parameter: str) -> bool:
    delimiter, piece = json.loads(parameter)
    return piece in subject.split(delimiter)


PREDICATES: Final[Mapping[str, Callable[[str, str], bool]]] = {
    PREFIX: str.startswith,
    SUFFIX: str.endswith,
    INFIX: str.__contains__,
    PIECES: _pieces,
    HAS_PIECE: _has_piece,
}
"""Of a text and a parameter. `pieces`, of a delimiter and a number: whether there are at least so many pieces;
`has_piece`, of a delimiter and a text: whether that is one of them."""


def part(how: str, parameter: str, subject: Term) -> Term:
    """A text that is made of another one: one of `PARTS`."""
    in_case = subject.op == "part" and subject.args[0] in (LOWER, UPPER)
    if how == PIECE and in_case and caseless(json.loads(parameter)[0]):
        # Then cutting comes first.
        return part(subject.args[0], "", part(PIECE, parameter, subject.args[2]))
    return make("part", (how, parameter, subject), TEXT)


def caseless(delimiter: str) -> bool:
    """Whether no letter of a delimiter becomes another one in another case, or comes of one."""
    return delimiter.isascii() and delimiter.lower() == delimiter.upper()


def _piece(subject: str, parameter: str) -> str:
    delimiter, place = json.loads(parameter)
    found = subject.split(delimiter)
    return found[place] if place < len(found) else ""


def lower(letter: str) -> str:
    """A letter in lower case as Go maps it: one letter to one (Unicode, UnicodeData.txt; Go, unicode.ToLower)."""
    return "i" if letter == "\u0130" else _one_letter(letter.lower(), letter)


def upper(letter: str) -> str:
    """A letter in upper case as Go maps it; those with a title case of one letter become that."""
    return _one_letter(letter.upper(), _one_letter(letter.title(), letter))


def _one_letter(found: str, otherwise: str) -> str:
    return found if len(found) == 1 else otherwise


@functools.cache
def letters_of(how: str) -> Mapping[str, str]:
    """The letters that become each letter in a case, where they are others; up to where Z3's alphabet ends."""
    found: dict[str, str] = {}
    for letter in map(chr, range(_LAST_LETTER + 1)):
        become = lower(letter) if how == LOWER else upper(letter)
        if become != letter:
            found[become] = found.get(become, "") + letter
    return found


def _in_case(of_letter: Callable[[str], str]) -> Callable[[str, str], str]:
    return lambda subject, _parameter: "".join(map(of_letter, subject))


def _substring(subject: str, parameter: str) -> str:
    start, size = json.loads(parameter)
    return subject[start:] if size < 0 else subject[start : start + size]


PARTS: Final[Mapping[str, Callable[[str, str], str | None]]] = {
    PIECE: _piece,
    TRIM_PREFIX: str.removeprefix,
    TRIM_SUFFIX: str.removesuffix,
    LOWER: _in_case(lower),
    UPPER: _in_case(upper),
    TRIM: str.strip,
    TRIM_LEFT: str.lstrip,
    TRIM_RIGHT: str.rstrip,
    SUBSTRING: _substring,
    REPLACE: lambda subject, parameter: subject.replace(*json.loads(parameter)),
}
"""Of a text and a parameter; None where the result is not known. `piece`, of a delimiter and a number: what stands
between two delimiters; `trim`, of the letters that are cut off; `substring`, of start and size, below zero for all that
follows; `replace`, of old and new."""


def pieces_parameter(delimiter: str, other: Any) -> str:
    """The parameter of predicates and parts that go by a delimiter."""
    return json.dumps([delimiter, other])


def concatenation(parts: Sequence[Term]) -> Term:
    """Texts one after the other."""
    merged: list[Term] = []
    for one in itertools.chain.from_iterable(p.args if p.op == "concat" else (p,) for p in parts):
        if merged and merged[-1].op == "const" and one.op == "const":
            merged[-1] = text(merged[-1].args[0] + one.args[0])
        elif one.op != "const" or one.args[0]:
            merged.append(one)
    if not merged:
        return text("")
    return merged[0] if len(merged) == 1 else make("concat", tuple(merged), TEXT)


def length(subject: Term) -> Term:
    """How many code points a text has."""
    return number(len(subject.args[0])) if subject.op == "const" else make("length", (subject,), INT)
