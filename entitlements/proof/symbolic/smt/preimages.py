"""What is said of strings, as SMT-LIB: languages of strings, and what a string is that is made of another one.

That a substring is in a language says that the string itself is in another one. So nothing that is asked of a substring
and a constant needs more than regular expressions, which Z3 decides well.

Assumes: the subject is a string variable. Guarantees: a language is exactly the set of strings of which the condition
holds; None where there is no regular one.
"""

from __future__ import annotations

import json

from entitlements.proof.symbolic.smt.regex import smt_glob, smt_regex, string_literal
from entitlements.proof.symbolic.smt.regex_classes import CONTRACT
from entitlements.proof.symbolic.terms.string_terms import (
    GLOB,
    HAS_SEGMENT,
    INFIX,
    LOWER,
    MATCHES,
    PATTERN,
    PREFIX,
    REPLACE,
    SEGMENT,
    SEGMENTS,
    SUBSTRING,
    SUFFIX,
    TRIM,
    TRIM_LEFT,
    TRIM_PREFIX,
    TRIM_RIGHT,
    TRIM_SUFFIX,
    caseless,
    characters_of,
    lower,
    upper,
)
from entitlements.proof.symbolic.terms.term import Term

_ALL = "(re.* re.allchar)"


def only(value: str, case: str = "") -> str:
    """The language of one string, or of all that are written so in one case."""
    if not case:
        return _one(value)
    characters = [_written_as(character, case) for character in value]
    return _sequence(characters) if characters else _one("")


def _written_as(character: str, case: str) -> str:
    """The characters that become this one."""
    kept = (lower if case == LOWER else upper)(character) == character
    found = [_one(one) for one in ([character] if kept else []) + [*characters_of(case).get(character, "")]]
    return "re.none" if not found else found[0] if len(found) == 1 else f"(re.union {' '.join(found)})"


def language_of(predicate: str, parameter: str, case: str = "") -> str | None:
    """The strings that meet a predicate, or do in one case (`lower` or `upper`); None where they are not known."""
    if predicate == MATCHES:
        return None if case else smt_regex(parameter)
    if predicate == PATTERN:
        return None if case else smt_regex(parameter, CONTRACT)
    if predicate == GLOB:
        return None if case else _glob(*json.loads(parameter))
    if predicate in (SEGMENTS, HAS_SEGMENT):
        return _with_segments(case, *json.loads(parameter))
    word = only(parameter, case)
    around = {
        PREFIX: f"(re.++ {word} {_ALL})",
        SUFFIX: f"(re.++ {_ALL} {word})",
        INFIX: f"(re.++ {_ALL} {word} {_ALL})",
    }
    return around.get(predicate)


def _with_segments(case: str, delimiter: str, other: int | str) -> str | None:
    """At least so many segments, or one of them."""
    if case and not caseless(delimiter):
        return None
    if isinstance(other, int):
        return _sequence([*[_ended(delimiter)] * (other - 1), _ALL])
    word = only(other, case)
    return f"(re.++ (re.* {_ended(delimiter)}) {_last(delimiter, word)})"


def language_before(part: Term, language: str) -> str | None:
    """The strings whose part is in a language, wherever there is such a part; None where they are not known."""
    how, parameter, _ = part.args
    if how == SEGMENT:
        delimiter, place = json.loads(parameter)
        return _sequence([*[_ended(delimiter)] * place, _last(delimiter, language)])
    if how in (TRIM_PREFIX, TRIM_SUFFIX):
        cut = _one(parameter)
        trimmed = f"(re.++ {cut} {language})" if how == TRIM_PREFIX else f"(re.++ {language} {cut})"
        whole = f"(re.++ {cut} {_ALL})" if how == TRIM_PREFIX else f"(re.++ {_ALL} {cut})"
        return f"(re.union {trimmed} (re.inter {language} (re.comp {whole})))"
    if how in (TRIM, TRIM_LEFT, TRIM_RIGHT) and parameter:
        return _trimmed(how, parameter, language)
    return _spanned(language, *json.loads(parameter)) if how == SUBSTRING else None


def _one(value: str) -> str:
    return f"(str.to_re {string_literal(value)})"


def _trimmed(how: str, characters: str, language: str) -> str:
    cut = f"(re.union re.none {' '.join(map(_one, dict.fromkeys(characters)))})"
    left, right = how != TRIM_RIGHT, how != TRIM_LEFT
    ends = [f"(re.comp (re.++ {cut} {_ALL}))"] * left + [f"(re.comp (re.++ {_ALL} {cut}))"] * right
    core = f"(re.inter {language} {' '.join(ends)})"
    return _sequence([*[f"(re.* {cut})"] * left, core, *[f"(re.* {cut})"] * right])


def _spanned(language: str, start: int, size: int) -> str:
    """Skipped characters, then what is in the language; a string that is too short gives an empty one."""
    before = f"((_ re.^ {start}) re.allchar)"
    found = [f"(re.++ ((_ re.loop 0 {start - 1}) re.allchar) (re.inter {language} {_one('')}))"] if start else []
    if size < 0:
        found.append(f"(re.++ {before} {language})")
    else:
        exactly = f"(re.inter {language} ((_ re.^ {size}) re.allchar))"
        found.append(f"(re.++ {before} {exactly} {_ALL})")
        found += [f"(re.++ {before} (re.inter {language} ((_ re.loop 0 {size - 1}) re.allchar)))"] if size else []
    return found[0] if len(found) == 1 else f"(re.union {' '.join(found)})"


def _ended(delimiter: str) -> str:
    """A segment with the delimiter that ends it."""
    if len(delimiter) == 1:
        return f"(re.++ {_without(delimiter)} {_one(delimiter)})"
    again = f"(re.++ {_ALL} {_one(delimiter)} (re.+ re.allchar))"
    return f"(re.inter (re.++ {_ALL} {_one(delimiter)}) (re.comp {again}))"


def _without(delimiter: str) -> str:
    if len(delimiter) == 1:
        return f"(re.* (re.inter re.allchar (re.comp {_one(delimiter)})))"
    return f"(re.comp (re.++ {_ALL} {_one(delimiter)} {_ALL}))"


def _last(delimiter: str, language: str) -> str:
    """A segment of a language, and whatever follows it."""
    end = f"(re.inter {language} {_without(delimiter)})"
    followed = f"(re.++ (re.inter (re.++ {language} {_one(delimiter)}) {_ended(delimiter)}) {_ALL})"
    return f"(re.union {end} {followed})"


def _sequence(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def _glob(pattern: str, delimiters: list[str] | None) -> str | None:
    """The strings that a glob matches. No delimiters at all is the point; null is none (OPA, topdown/glob.go)."""
    return smt_glob(pattern, [] if delimiters is None else delimiters or ["."])


def encode_substring(part: Term, subject: str) -> str | None:
    """The part of a string, as a string; None where SMT-LIB has no word for it. subject: the string, in SMT-LIB."""
    how, parameter, _ = part.args
    if how == SEGMENT:
        delimiter, place = json.loads(parameter)
        mark = string_literal(delimiter)
        rest = f"(str.substr r (+ (str.indexof r {mark} 0) {len(delimiter)}) (str.len r))"
        first = f"(ite (str.contains r {mark}) (str.substr r 0 (str.indexof r {mark} 0)) r)"
        return f"(let ((r {subject})) {f'(let ((r {rest})) ' * place}{first}{')' * (place + 1)}"
    if how == SUBSTRING:
        start, size = json.loads(parameter)
        return f"(str.substr {subject} {start} {size if size >= 0 else f'(str.len {subject})'})"
    if how == REPLACE:
        old, new = map(string_literal, json.loads(parameter))
        return f"(str.replace_all {subject} {old} {new})"
    if how not in (TRIM_PREFIX, TRIM_SUFFIX):
        return None
    mark, size = string_literal(parameter), len(parameter)
    if how == TRIM_PREFIX:
        return f"(ite (str.prefixof {mark} {subject}) (str.substr {subject} {size} (str.len {subject})) {subject})"
    kept = f"(str.substr {subject} 0 (- (str.len {subject}) {size}))"
    return f"(ite (str.suffixof {mark} {subject}) {kept} {subject})"
