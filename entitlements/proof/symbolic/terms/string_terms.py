"""Terms of strings: what is said of a string, and strings that are made of others. No solver is known here."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    INT,
    STRING_SORT,
    Term,
    arithmetic,
    conj,
    less,
    make,
    number,
    string,
    truth,
)
from entitlements.proof.symbolic.terms.timestamps import (
    DATE,
    LENGTHS,
    UNITS,
    UTC,
    beginning_with,
    rendered,
)

PREFIX, SUFFIX, INFIX, MATCHES, GLOB, CONFORMS = "prefix", "suffix", "infix", "matches", "glob", "conforms"
# The `pattern` of a contract, which its validator reads otherwise than OPA reads an expression.
PATTERN = "pattern"
SEGMENTS, HAS_SEGMENT = "segments", "has_segment"
SEGMENT, TRIM_PREFIX, TRIM_SUFFIX = "segment", "trim_prefix", "trim_suffix"
LOWER, UPPER, TRIM, TRIM_LEFT, TRIM_RIGHT = "lower", "upper", "trim", "trim_left", "trim_right"
SUBSTRING, REPLACE = "substring", "replace"
SPACES: Final = "".join(
    map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
"""What Go counts as white space (unicode.IsSpace)."""


_LAST_CHARACTER = 0x2FFFF
DATE_RULES: Final = json.dumps({"format": "date", "type": "string"}, sort_keys=True)
"""What a contract demands of a string of the format `date`, and of no other: see `timestamp`."""
_DAY_OF_UTC = json.dumps([0, LENGTHS[DATE]])


def on_string(predicate: str, parameter: str, subject: Term) -> Term:
    """A predicate of a string with a constant parameter: one of `PREDICATES`, or `matches`, `glob`, `conforms`, which
    others decide of a constant.
    """
    if predicate == PREFIX and subject.op is Op.TIMESTAMP:
        form, counted = subject.args
        numbers = beginning_with(form, parameter)
        return conj(less(number(numbers.start), counted, strict=False), less(counted, number(numbers.stop)))
    if predicate == CONFORMS and parameter == DATE_RULES and subject.op is Op.TIMESTAMP:
        return truth(subject.args[0] != UTC)
    return make(Op.ON_STRING, (predicate, parameter, subject), BOOL)


def timestamp(form: str, counted: Term) -> Term:
    """A day or a second as RFC 3339 writes it, see `timestamps`. Compared with constants it is its number."""
    if counted.op is Op.CONST:
        return string(rendered(form, counted.args[0]))
    return make(Op.TIMESTAMP, (form, counted), STRING_SORT)


def _segments(subject: str, parameter: str) -> bool:
    delimiter, least = json.loads(parameter)
    return len(subject.split(delimiter)) >= int(least)


def _has_segment(subject: str, parameter: str) -> bool:
    delimiter, segment = json.loads(parameter)
    return segment in subject.split(delimiter)


PREDICATES: Final[Mapping[str, Callable[[str, str], bool]]] = {
    PREFIX: str.startswith,
    SUFFIX: str.endswith,
    INFIX: str.__contains__,
    SEGMENTS: _segments,
    HAS_SEGMENT: _has_segment,
}
"""Of a string and a parameter. `segments`, of a delimiter and a number: whether there are at least so many segments;
`has_segment`, of a delimiter and a string: whether that is one of them."""


def part(how: str, parameter: str, subject: Term) -> Term:
    """A string that is made of another one: one of `PARTS`."""
    if subject.op is Op.TIMESTAMP and (how, parameter, subject.args[0]) == (SUBSTRING, _DAY_OF_UTC, UTC):
        return timestamp(DATE, arithmetic("div", subject.args[1], number(UNITS[DATE])))
    in_case = subject.op is Op.PART and subject.args[0] in (LOWER, UPPER)
    if how == SEGMENT and in_case and caseless(json.loads(parameter)[0]):
        # Then cutting comes first.
        return part(subject.args[0], "", part(SEGMENT, parameter, subject.args[2]))
    return make(Op.PART, (how, parameter, subject), STRING_SORT)


def caseless(delimiter: str) -> bool:
    """Whether no character of a delimiter becomes another one in another case, or comes of one."""
    return delimiter.isascii() and delimiter.lower() == delimiter.upper()


def _segment(subject: str, parameter: str) -> str:
    delimiter, place = json.loads(parameter)
    found = subject.split(delimiter)
    return found[place] if place < len(found) else ""


def lower(character: str) -> str:
    """A character in lower case as Go maps it: one character to one (Unicode, UnicodeData.txt; Go, unicode.ToLower)."""
    return "i" if character == "\u0130" else _one_character(character.lower(), character)


def upper(character: str) -> str:
    """A character in upper case as Go maps it; those with a title case of one character become that."""
    return _one_character(character.upper(), _one_character(character.title(), character))


def _one_character(found: str, otherwise: str) -> str:
    return found if len(found) == 1 else otherwise


@functools.cache
def characters_of(how: str) -> Mapping[str, str]:
    """The characters that become each character in a case, where they are others; up to where Z3's alphabet ends."""
    found: dict[str, str] = {}
    for character in map(chr, range(_LAST_CHARACTER + 1)):
        become = lower(character) if how == LOWER else upper(character)
        if become != character:
            found[become] = found.get(become, "") + character
    return found


def _in_case(of_character: Callable[[str], str]) -> Callable[[str, str], str]:
    return lambda subject, _parameter: "".join(map(of_character, subject))


def _substring(subject: str, parameter: str) -> str:
    start, size = json.loads(parameter)
    return subject[start:] if size < 0 else subject[start : start + size]


PARTS: Final[Mapping[str, Callable[[str, str], str | None]]] = {
    SEGMENT: _segment,
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
"""Of a string and a parameter; None where the result is not known. `segment`, of a delimiter and a number: what stands
between two delimiters; `trim`, of the characters that are cut off; `substring`, of start and size, below zero for all
that follows; `replace`, of old and new."""


def segments_parameter(delimiter: str, other: Any) -> str:
    """The parameter of predicates and parts that go by a delimiter."""
    return json.dumps([delimiter, other])


def concatenation(parts: Sequence[Term]) -> Term:
    """Strings one after the other."""
    joined: list[Term] = []
    for one in itertools.chain.from_iterable(p.args if p.op is Op.CONCAT else (p,) for p in parts):
        if joined and joined[-1].op is Op.CONST and one.op is Op.CONST:
            joined[-1] = string(joined[-1].args[0] + one.args[0])
        elif one.op is not Op.CONST or one.args[0]:
            joined.append(one)
    if not joined:
        return string("")
    return joined[0] if len(joined) == 1 else make(Op.CONCAT, tuple(joined), STRING_SORT)


def length(subject: Term) -> Term:
    """How many code points a string has."""
    if subject.op is Op.TIMESTAMP:
        return number(LENGTHS[subject.args[0]])
    return number(len(subject.args[0])) if subject.op is Op.CONST else make(Op.LENGTH, (subject,), INT)
