"""What is said of texts, as SMT-LIB: languages of texts, and what a text is that is made of another one.

That a part of a text is in a language says that the text itself is in another one. So nothing that is asked of a part
and a constant needs more than regular expressions, which Z3 decides well.
"""

from __future__ import annotations

import json
import re

from entitlements.proof.symbolic.regular import smt_regex, text_literal
from entitlements.proof.symbolic.terms import Term
from entitlements.proof.symbolic.text_terms import (
    GLOB,
    HAS_PIECE,
    INFIX,
    MATCHES,
    PIECE,
    PIECES,
    PREFIX,
    SUFFIX,
    TRIM_PREFIX,
)

_ALL = "(re.* re.allchar)"
_PLAIN_GLOB = re.compile(r"[A-Za-z0-9_/:@. -]|\*\*(?!\*)|\*|\?")


def only(value: str) -> str:
    """The language of one text."""
    return f"(str.to_re {text_literal(value)})"


def language_of(predicate: str, parameter: str) -> str | None:
    """The texts that meet a predicate; None where they are not known."""
    if predicate == PREFIX:
        return f"(re.++ {only(parameter)} {_ALL})"
    if predicate == SUFFIX:
        return f"(re.++ {_ALL} {only(parameter)})"
    if predicate == INFIX:
        return f"(re.++ {_ALL} {only(parameter)} {_ALL})"
    if predicate == PIECES:
        delimiter, least = json.loads(parameter)
        return _sequence([*[_ended(delimiter)] * (least - 1), _ALL])
    if predicate == HAS_PIECE:
        delimiter, piece = json.loads(parameter)
        return f"(re.++ (re.* {_ended(delimiter)}) {_last(delimiter, only(piece))})"
    if predicate == GLOB:
        return _glob(*json.loads(parameter))
    return smt_regex(parameter) if predicate == MATCHES else None


def language_before(part: Term, language: str) -> str:
    """The texts whose part is in a language, wherever there is such a part."""
    how, parameter, _ = part.args
    if how == PIECE:
        delimiter, place = json.loads(parameter)
        return _sequence([*[_ended(delimiter)] * place, _last(delimiter, language)])
    cut = only(parameter)
    trimmed = f"(re.++ {cut} {language})" if how == TRIM_PREFIX else f"(re.++ {language} {cut})"
    whole = f"(re.++ {cut} {_ALL})" if how == TRIM_PREFIX else f"(re.++ {_ALL} {cut})"
    return f"(re.union {trimmed} (re.inter {language} (re.comp {whole})))"


def _ended(delimiter: str) -> str:
    """A piece with the delimiter that ends it."""
    if len(delimiter) == 1:
        return f"(re.++ {_without(delimiter)} {only(delimiter)})"
    again = f"(re.++ {_ALL} {only(delimiter)} (re.+ re.allchar))"
    return f"(re.inter (re.++ {_ALL} {only(delimiter)}) (re.comp {again}))"


def _without(delimiter: str) -> str:
    if len(delimiter) == 1:
        return f"(re.* (re.inter re.allchar (re.comp {only(delimiter)})))"
    return f"(re.comp (re.++ {_ALL} {only(delimiter)} {_ALL}))"


def _last(delimiter: str, language: str) -> str:
    """A piece of a language, and whatever follows it."""
    end = f"(re.inter {language} {_without(delimiter)})"
    followed = f"(re.++ (re.inter (re.++ {language} {only(delimiter)}) {_ended(delimiter)}) {_ALL})"
    return f"(re.union {end} {followed})"


def _sequence(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def _glob(pattern: str, delimiters: list[str] | None) -> str | None:
    """The texts that a plain pattern matches: letters, `?`, `*` and `**` (github.com/gobwas/glob)."""
    found = _PLAIN_GLOB.findall(pattern)
    # No delimiters at all is the point; null is none.
    stops = [] if delimiters is None else delimiters or ["."]
    if "".join(found) != pattern or any(len(one) != 1 for one in stops):
        return None
    one = "re.allchar"
    if stops:
        one = f"(re.inter re.allchar (re.comp (re.union re.none {' '.join(map(only, stops))})))"
    wild = {"?": one, "*": f"(re.* {one})", "**": _ALL}
    return _sequence([wild.get(piece) or only(piece) for piece in found] or [only("")])


def written_part(part: Term, subject: str) -> str:
    """The part of a text, as a text. subject: the text, in SMT-LIB."""
    how, parameter, _ = part.args
    if how == PIECE:
        delimiter, place = json.loads(parameter)
        mark = text_literal(delimiter)
        rest = f"(str.substr r (+ (str.indexof r {mark} 0) {len(delimiter)}) (str.len r))"
        first = f"(ite (str.contains r {mark}) (str.substr r 0 (str.indexof r {mark} 0)) r)"
        return f"(let ((r {subject})) {f'(let ((r {rest})) ' * place}{first}{')' * (place + 1)}"
    mark, size = text_literal(parameter), len(parameter)
    if how == TRIM_PREFIX:
        return f"(ite (str.prefixof {mark} {subject}) (str.substr {subject} {size} (str.len {subject})) {subject})"
    kept = f"(str.substr {subject} 0 (- (str.len {subject}) {size}))"
    return f"(ite (str.suffixof {mark} {subject}) {kept} {subject})"
