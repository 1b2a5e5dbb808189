"""What is said of texts, in SMT-LIB, in one of two spellings: no spelling suits all questions.

In the one a prefix, a suffix, an infix and a length have words of their own, but for texts that are cut into pieces; in
the other all of that is said by regular expressions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Final

from entitlements.proof.symbolic.smt.preimages import language_before, language_of, only, written_part
from entitlements.proof.symbolic.smt.regex import text_literal
from entitlements.proof.symbolic.terms.string_terms import (
    CONFORMS,
    HAS_PIECE,
    INFIX,
    LOWER,
    PATTERN,
    PIECES,
    PREFIX,
    SUFFIX,
    UPPER,
)
from entitlements.proof.symbolic.terms.term import Term

_WORDS: Final = {PREFIX: "(str.prefixof {} {})", SUFFIX: "(str.suffixof {} {})", INFIX: "(str.contains {1} {0})"}
_MOST_LETTERS = 400


def cut_texts(terms: Iterable[Term]) -> frozenset[Term]:
    """The texts of which parts are looked at."""
    cut = [one for one in terms if one.op == "part" or (one.op == "on_text" and one.args[0] in (PIECES, HAS_PIECE))]
    return frozenset(map(_whole, cut))


def _whole(term: Term) -> Term:
    while term.op in ("part", "on_text"):
        term = term.args[-1]
    return term


class TextWriter:
    """Writes what is said of texts. written: how a text is written; functions: those that the question declares;
    cut: texts of which parts are looked at.

    predicates, parts: what SMT-LIB has no word for, with the functions that stand for it.
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
        part, constant = (one, other) if one.op == "part" else (other, one)
        if part.op != "part" or constant.op != "const":
            return ""
        case = _case_of(part)
        language = only(constant.args[0], case)
        return self._within(part.args[-1] if case else part, language)

    def on_text(self, predicate: str, parameter: str, subject: Term) -> str:
        """A predicate of a text."""
        if predicate == CONFORMS:
            return self.conforming(parameter, self._written(subject))
        if predicate in _WORDS and not self._regular and _whole(subject) not in self._cut:
            return _WORDS[predicate].format(text_literal(parameter), self._written(subject))
        case = _case_of(subject)
        language = self._language(predicate, parameter, case)
        if language is not None:
            return self._within(subject.args[-1] if case else subject, language)
        language = self._language(predicate, parameter)
        if language is not None:
            return f"(str.in_re {self._written(subject)} {language})"
        return self._predicate(predicate, parameter, self._written(subject))

    def _within(self, subject: Term, language: str) -> str:
        """Whether a text is in a language; of a part it is said of the whole text, where that can be."""
        while subject.op == "part":
            whole = language_before(subject, language)
            if whole is None:
                break
            language, subject = whole, subject.args[-1]
        return f"(str.in_re {self._written(subject)} {language})"

    def part(self, term: Term) -> str:
        """A text that is made of another one."""
        subject = self._written(term.args[-1])
        found = written_part(term, subject)
        if found is None:
            name = self.parts.setdefault(term.args[:2], f"|{term.args[0]} {len(self.parts)}|")
            self._functions[name] = "(String) String"
            found = f"({name} {subject})"
        return found

    def conforming(self, rules: str, text: str) -> str:
        """What a schema demands of a text."""
        schema = json.loads(rules)
        parts = []
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if self._regular and most is not None and most <= _MOST_LETTERS:
            parts.append(f"(str.in_re {text} ((_ re.loop {least} {most}) re.allchar))")
        else:
            parts += [f"(<= {least} (str.len {text}))"] if least else []
            parts += [f"(<= (str.len {text}) {most})"] if most is not None else []
        regex = self._language(PATTERN, schema["pattern"]) if "pattern" in schema else ""
        if regex:
            parts.append(f"(str.in_re {text} {regex})")
        if regex is None or "format" in schema:
            parts.append(self._predicate(CONFORMS, rules, text))
        return parts[0] if len(parts) == 1 else f"(and true {' '.join(parts)})"

    def _language(self, predicate: str, parameter: str, case: str = "") -> str | None:
        key = (predicate, parameter, case)
        if key not in self._languages:
            self._languages[key] = language_of(*key)
        return self._languages[key]

    def _predicate(self, predicate: str, parameter: str, text: str) -> str:
        name = self.predicates.setdefault((predicate, parameter), f"|{predicate} {len(self.predicates)}|")
        self._functions[name] = "(String) Bool"
        return f"({name} {text})"


def _case_of(subject: Term) -> str:
    """`lower` or `upper` where a text is another one in that case."""
    return subject.args[0] if subject.op == "part" and subject.args[0] in (LOWER, UPPER) else ""
