"""What is said of strings, in SMT-LIB, in one of two spellings: no spelling suits all questions.

In the one a prefix, a suffix, an infix and a length have functions of their own, but for strings that are split into
segments; in the other all of that is said by regular expressions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Final

from entitlements.proof.symbolic.smt.preimages import encode_substring, language_before, language_of, only
from entitlements.proof.symbolic.smt.regex import string_literal
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import (
    CONFORMS,
    HAS_SEGMENT,
    INFIX,
    LOWER,
    MATCHES,
    PATTERN,
    PREFIX,
    SEGMENTS,
    SUFFIX,
    UPPER,
)
from entitlements.proof.symbolic.terms.term import Term
from entitlements.proof.symbolic.terms.timestamps import ANY_DAY, PATTERNS

_WORDS: Final = {PREFIX: "(str.prefixof {} {})", SUFFIX: "(str.suffixof {} {})", INFIX: "(str.contains {1} {0})"}
_MOST_CHARACTERS = 400


def substrings(terms: Iterable[Term]) -> frozenset[Term]:
    """The strings of which parts are looked at."""
    cut = [
        one for one in terms if one.op is Op.PART or (one.op is Op.ON_STRING and one.args[0] in (SEGMENTS, HAS_SEGMENT))
    ]
    return frozenset(map(_whole, cut))


def _whole(term: Term) -> Term:
    while term.op in (Op.PART, Op.ON_STRING):
        term = term.args[-1]
    return term


class StringEncoder:
    """Writes what is said of strings. written: how a string is written; functions: those that the question declares;
    cut: strings of which parts are looked at.

    predicates, parts: what SMT-LIB has no word for, with the functions that represent it.
    """

    def __init__(
        self,
        written: Callable[[Term], str],
        functions: dict[str, str],
        cut: Collection[Term],
        *,
        regular: bool,
    ) -> None:
        self._written = written
        self._functions = functions
        self._cut = cut
        self._regular = regular
        self._languages: dict[tuple[str, str, str], str | None] = {}
        self.predicates: dict[tuple[str, str], str] = {}
        self.parts: dict[tuple[str, str], str] = {}

    def equal(self, one: Term, other: Term) -> str:
        """That a part is a constant, as a language; empty where it is not one."""
        part, constant = (one, other) if one.op is Op.PART else (other, one)
        if part.op is not Op.PART or constant.op is not Op.CONST:
            return ""
        case = _case_of(part)
        language = only(constant.args[0], case)
        return self._within(part.args[-1] if case else part, language)

    def on_string(self, predicate: str, parameter: str, subject: Term) -> str:
        """A predicate of a string."""
        if predicate == CONFORMS:
            return self.conforming(parameter, self._written(subject))
        if predicate in _WORDS and not self._regular and _whole(subject) not in self._cut:
            return _WORDS[predicate].format(string_literal(parameter), self._written(subject))
        case = _case_of(subject)
        language = self._language(predicate, parameter, case)
        if language is not None:
            return self._within(subject.args[-1] if case else subject, language)
        language = self._language(predicate, parameter)
        if language is not None:
            return f"(str.in_re {self._written(subject)} {language})"
        return self._predicate(predicate, parameter, self._written(subject))

    def related(self, predicate: str, parameter: Term, subject: Term) -> str:
        """A predicate of two strings of which neither is known."""
        return _WORDS[predicate].format(self._written(parameter), self._written(subject))

    def _within(self, subject: Term, language: str) -> str:
        """Whether a string is in a language; of a part it is said of the whole string, where that can be."""
        while subject.op is Op.PART:
            whole = language_before(subject, language)
            if whole is None:
                break
            language, subject = whole, subject.args[-1]
        return f"(str.in_re {self._written(subject)} {language})"

    def part(self, term: Term) -> str:
        """A string that is made of another one."""
        subject = self._written(term.args[-1])
        found = encode_substring(term, subject)
        if found is None:
            name = self.parts.setdefault(term.args[:2], f"|{term.args[0]} {len(self.parts)}|")
            self._functions[name] = "(String) String"
            found = f"({name} {subject})"
        return found

    def conforming(self, rules: str, string: str) -> str:
        """What a schema demands of a string."""
        schema = json.loads(rules)
        parts = []
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if self._regular and most is not None and most <= _MOST_CHARACTERS:
            parts.append(f"(str.in_re {string} ((_ re.loop {least} {most}) re.allchar))")
        else:
            parts += [f"(<= {least} (str.len {string}))"] if least else []
            parts += [f"(<= (str.len {string}) {most})"] if most is not None else []
        regex = self._language(PATTERN, schema["pattern"]) if "pattern" in schema else ""
        if regex:
            parts.append(f"(str.in_re {string} {regex})")
        if schema.get("format") == "date":
            parts.append(f"(str.in_re {string} {self._language(MATCHES, PATTERNS[ANY_DAY])})")
        if regex is None or schema.get("format", "date") != "date":
            parts.append(self._predicate(CONFORMS, rules, string))
        return parts[0] if len(parts) == 1 else f"(and true {' '.join(parts)})"

    def _language(self, predicate: str, parameter: str, case: str = "") -> str | None:
        key = (predicate, parameter, case)
        if key not in self._languages:
            self._languages[key] = language_of(*key)
        return self._languages[key]

    def _predicate(self, predicate: str, parameter: str, string: str) -> str:
        name = self.predicates.setdefault((predicate, parameter), f"|{predicate} {len(self.predicates)}|")
        self._functions[name] = "(String) Bool"
        return f"({name} {string})"


def _case_of(subject: Term) -> str:
    """`lower` or `upper` where a string is another one in that case."""
    return subject.args[0] if subject.op is Op.PART and subject.args[0] in (LOWER, UPPER) else ""
