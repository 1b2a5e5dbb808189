"""Regular expressions as SMT-LIB terms, as far as RE2 and the contract's patterns mean the same by them.

What is not surely the same (classes that depend on Unicode tables, flags, boundaries) is not translated.
"""

from __future__ import annotations

import re
import re._constants as sre
import re._parser as parser
from typing import Any

from entitlements.errors import NotFollowed

_MOST_REPEATS = 400
# Letters go up to here in SMT-LIB, in Unicode they go on: nothing is said of a text that is compared with one of those.
_LAST_LETTER = 0x2FFFF


def text_literal(value: str) -> str:
    """A text as an SMT-LIB literal. Raises NotFollowed where it holds a letter that the solver does not know."""
    if any(ord(letter) >= _LAST_LETTER for letter in value):
        raise NotFollowed("text_not_followed", "a text holds a letter that the solver does not know")
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter == '"':
        return '""'
    return letter if " " <= letter <= "~" and letter != "\\" else f"\\u{{{ord(letter):x}}}"


def smt_regex(pattern: str) -> str | None:
    """The language of all texts that hold a match of a pattern somewhere; None where it is not translated."""
    if not pattern.isascii() or _foreign(pattern):
        return None
    try:
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    if parsed.state.flags & ~sre.SRE_FLAG_UNICODE:
        return None
    try:
        return _anchored(list(parsed))
    except _Untranslated:
        return None


class _Untranslated(Exception):
    pass


_FOREIGN = re.compile(r"\\[^dw.\-/+*?()\[\]{}|^$@:_ ]|\\$|\(\?(?!:)|\[\[|&&|\|\||~~|--|[*+?}]\+|\{,|\[:")


def _foreign(pattern: str) -> bool:
    """Spellings that Python reads otherwise than RE2 or the contract's validator, or not at all."""
    return _FOREIGN.search(pattern) is not None


def _anchored(parts: list[Any]) -> str:
    """Anchors count at the ends only."""
    front, back = "(re.* re.allchar)", "(re.* re.allchar)"
    if parts and parts[0] == (sre.AT, sre.AT_BEGINNING):
        front, parts = "", parts[1:]
    if parts and parts[-1] == (sre.AT, sre.AT_END):
        back, parts = "", parts[:-1]
    inner = [_part(*part) for part in parts]
    return _sequence([one for one in (front, *inner, back) if one])


def _sequence(parts: list[str]) -> str:
    if not parts:
        return '(str.to_re "")'
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def _all(parts: Any) -> str:
    return _sequence([_part(*part) for part in parts])


def _part(op: Any, argument: Any) -> str:
    if op is sre.LITERAL:
        return f"(str.to_re {text_literal(chr(argument))})"
    if op is sre.NOT_LITERAL:
        return f"(re.inter re.allchar (re.comp (str.to_re {text_literal(chr(argument))})))"
    if op is sre.ANY:
        return f"(re.inter re.allchar (re.comp (str.to_re {text_literal(chr(10))})))"
    if op is sre.IN:
        return _set(argument)
    if op is sre.BRANCH:
        branches = [_all(branch) for branch in argument[1]]
        return branches[0] if len(branches) == 1 else f"(re.union {' '.join(branches)})"
    if op is sre.SUBPATTERN:
        _, added, removed, inner = argument
        if added or removed:
            raise _Untranslated
        return _all(inner)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return _repeated(*argument)
    raise _Untranslated


def _repeated(least: int, most: Any, inner: Any) -> str:
    body = _all(inner)
    if most is sre.MAXREPEAT:
        if least == 0:
            return f"(re.* {body})"
        return f"(re.+ {body})" if least == 1 else f"(re.++ ((_ re.^ {least}) {body}) (re.* {body}))"
    if most > _MOST_REPEATS:
        raise _Untranslated
    return f"((_ re.loop {least} {most}) {body})"


_DIGITS = ['(re.range "0" "9")']
_CATEGORIES = {
    sre.CATEGORY_DIGIT: _DIGITS,
    sre.CATEGORY_WORD: [*_DIGITS, '(re.range "A" "Z")', '(re.range "a" "z")', '(str.to_re "_")'],
}
"""Both RE2 and the contract's patterns count ASCII alone as digits and letters of words."""


def _set(items: Any) -> str:
    negated = bool(items) and items[0][0] is sre.NEGATE
    parts = []
    for op, argument in items[negated:]:
        if op is sre.LITERAL:
            parts.append(f"(str.to_re {text_literal(chr(argument))})")
        elif op is sre.CATEGORY and argument in _CATEGORIES:
            parts += _CATEGORIES[argument]
        elif op is sre.RANGE:
            low, high = (text_literal(chr(end)) for end in argument)
            parts.append(f"(re.range {low} {high})")
        else:
            raise _Untranslated
    union = parts[0] if len(parts) == 1 else f"(re.union {' '.join(parts)})"
    return f"(re.inter re.allchar (re.comp {union}))" if negated else union
