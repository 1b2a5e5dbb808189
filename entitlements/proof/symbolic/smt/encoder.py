"""Terms as SMT-LIB text, and a model of the answer read back.

Strings that are only compared for equality are encoded as integers, one for each constant and others for strings that
no policy knows. Strings of which more is asked are encoded as strings, with regular expressions where they can be
translated and else as predicates that are known on the constants.

Assumes: terms made by `terms`. Guarantees: the query is satisfiable if the goals are; it may be satisfiable although
they are not where a predicate of strings has no exact encoding, and then the model is not `exact`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, assert_never

from entitlements.contract import conforms
from entitlements.proof.symbolic.smt.preimages import language_of
from entitlements.proof.symbolic.smt.regex import string_literal
from entitlements.proof.symbolic.smt.string_encoder import StringEncoder, substrings
from entitlements.proof.symbolic.smt.string_sorts import StringSorts
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import MATCHES
from entitlements.proof.symbolic.terms.term import BOOL, INT, REAL, STRING_SORT, Term, subterms
from entitlements.proof.symbolic.terms.timestamps import PATTERNS, first_from

Decide = Callable[[str, str, str], bool]
"""Whether a constant string meets a predicate with a parameter; asked of OPA where only OPA knows."""
_SORTS = {BOOL: "Bool", INT: "Int", REAL: "Real", "any": "Int"}

_LEAVES = (Op.VAR, Op.CHOICE, Op.TIMESTAMP)


@dataclass
class Query:
    """One satisfiability question. script: SMT-LIB; symbols: the variables of the terms by symbol; codes: what numbers
    represent which constant strings; coded: the string variables that stand as numbers, with those they may be equal
    to; guessed: what has to hold, where the solver guesses what a predicate says of a string that the question does not
    name; patterned: whether strings are asked for more than equality; stamps: timestamps of which more is asked than
    their number, by symbol.
    """

    script: str
    symbols: Mapping[str, Term]
    codes: Mapping[int, str]
    coded: frozenset[str]
    groups: Mapping[str, int] = field(default_factory=dict)
    assumed: tuple[Term, ...] = ()
    patterned: bool = False
    stamps: Mapping[str, Term] = field(default_factory=dict)


def write_query(
    goals: Iterable[Term],
    strings: Mapping[str, Sequence[str]],
    decide: Decide,
    *,
    strings_as_strings: bool = False,
    regular: bool = False,
    stamped: Mapping[Term, str] | None = None,
) -> Query:
    """The question whether all goals can hold at once.

    strings: what each string variable has to conform to; strings_as_strings: whether no string may stand as a number;
    regular: whether whatever can be is said by regular expressions; stamped: what timestamps are, where that is asked.
    """
    return _Writer(list(goals), strings, decide, strings_as_strings, regular, stamped or {}).query()


class _Writer:
    def __init__(
        self,
        goals: Sequence[Term],
        strings: Mapping[str, Sequence[str]],
        decide: Decide,
        strings_as_strings: bool,
        regular: bool,
        stamped: Mapping[Term, str],
    ) -> None:
        self._goals = goals
        self._stamped_as = stamped
        self._terms = list(subterms(goals))
        self._schemas = strings
        self._decide = decide
        self._strings = StringSorts(self._terms, strings_as_strings=strings_as_strings)
        self._functions: dict[str, str] = {}
        self._said = StringEncoder(self._written, self._functions, substrings(self._terms), regular=regular)
        self._names: dict[Term, str] = {}
        self._lines: list[str] = []
        self._codes: dict[str, int] = {}
        self._choices: dict[str, int] = {}

    def query(self) -> Query:
        """The text, with everything needed to read a model."""
        symbols: dict[str, Term] = {}
        stamps: dict[str, Term] = {}
        for number, term in enumerate(self._terms):
            if term.op is Op.CONST:
                continue
            symbol = f"v{number}" if term.op in _LEAVES else f"n{number}"
            self._names[term] = symbol
            if term.op is Op.VAR:
                symbols[symbol] = term
                self._lines.append(f"(declare-const {symbol} {self._sort(term)})")
            elif term.op is Op.TIMESTAMP:
                # Its number stands in the question by itself; a model in which they differ is none.
                stamps[symbol] = term
                self._lines.append(f"(declare-const {symbol} String)")
            elif term.op is Op.CHOICE:
                symbols[symbol] = term
                self._lines.append(f"(declare-const {symbol} Bool)")
                self._choices[term.args[0]] = term.args[2]
            else:
                self._lines.append(f"(define-fun {symbol} () {self._sort(term)} {self._body(term)})")
        assertions = [*self._exclusions(), *self._string_facts(), *self._predicate_facts()]
        assertions += [fact for symbol, term in stamps.items() for fact in self._stamped(symbol, term)]
        assertions += [self._written(goal) for goal in self._goals]
        functions = [f"(declare-fun {name} {signature})" for name, signature in self._functions.items()]
        script = "\n".join([*functions, *self._lines, *(f"(assert {one})" for one in assertions)]) + "\n"
        variables = [
            term
            for term in symbols.values()
            if term.sort == STRING_SORT and not self._strings.needs_string_theory(term)
        ]
        roots = {term: number for number, term in enumerate(dict.fromkeys(map(self._strings.group, variables)))}
        return Query(
            script,
            symbols,
            {code: value for value, code in self._codes.items()},
            frozenset(term.args[0] for term in variables),
            {term.args[0]: roots[self._strings.group(term)] for term in variables},
            tuple(self._goals) if self._said.predicates or self._said.parts or stamps else (),
            any(term.op in (Op.ON_STRING, Op.ON_STRINGS, Op.PART) for term in self._terms),
            stamps,
        )

    def _sort(self, term: Term) -> str:
        if term.sort == STRING_SORT:
            return "String" if self._strings.needs_string_theory(term) else "Int"
        return _SORTS[term.sort]

    def _written(self, term: Term, *, needs_string_theory: bool = True) -> str:
        if term.op is not Op.CONST:
            return self._names[term]
        value = term.args[0]
        if term.sort == STRING_SORT:
            return string_literal(value) if needs_string_theory else str(self._code(value))
        return str(value).lower() if isinstance(value, bool) else _numeral(value)

    def _code(self, value: str) -> int:
        return self._codes.setdefault(value, len(self._codes))

    def _real(self, term: Term) -> str:
        written = self._written(term)
        if term.sort != INT:
            return written
        return (
            f"(to_real {written})"
            if term.op is not Op.CONST
            else f"{written}.0"
            if written[0] != "("
            else f"(to_real {written})"
        )

    def _body(self, term: Term) -> str:  # noqa: PLR0911, PLR0912 - one case an operator
        args, write = term.args, self._written if term.sort == INT else self._real
        match op := term.op:
            case Op.CONST | Op.VAR | Op.CHOICE | Op.TIMESTAMP:
                raise AssertionError(f"`{op}` has a name or is written as it is")
            case Op.AND | Op.OR | Op.NOT:
                return f"({op} {' '.join(map(self._written, args))})"
            case Op.EQUAL | Op.LESS | Op.AT_MOST:
                return self._compared(op, *args)
            case Op.ON_STRING | Op.ON_STRINGS:
                return (self._said.on_string if op is Op.ON_STRING else self._said.related)(*args)
            case Op.CONCAT:
                return f"(str.++ {' '.join(map(self._written, args))})"
            case Op.PART:
                return self._said.part(term)
            case Op.DIGITS:
                return _digits(self._written(args[0]))
            case Op.APPLY:
                return self._applied(term)
            case Op.COUNT:
                ones = [f"(ite {self._written(arg)} 1 0)" for arg in args]
                return ones[0] if len(ones) == 1 else f"(+ {' '.join(ones)})"
            case Op.IF:
                return f"(ite {self._written(args[0])} {' '.join(map(write, args[1:]))})"
            case Op.REMAINDER:
                return _remainder(self._written(args[0]), abs(args[1].args[0]))
            case Op.IS_WHOLE | Op.LENGTH:
                return f"({'is_int' if op is Op.IS_WHOLE else 'str.len'} {write(args[0])})"
            case Op.PLUS | Op.MINUS | Op.TIMES | Op.QUOTIENT:
                return f"({op} {' '.join(map(write, args))})"
        assert_never(op)

    def _compared(self, op: Op, one: Term, other: Term) -> str:
        if one.sort == STRING_SORT:
            if op is Op.EQUAL and (found := self._said.equal(one, other)):
                return found
            if op is Op.EQUAL:
                needs_string_theory = any(
                    self._strings.needs_string_theory(term) for term in (one, other) if term.op is not Op.CONST
                )
                sides = (self._written(term, needs_string_theory=needs_string_theory) for term in (one, other))
                return f"(= {' '.join(sides)})"
            return f"({'str.<' if op is Op.LESS else 'str.<='} {self._written(one)} {self._written(other)})"
        write = self._written if (one.sort, other.sort) == (INT, INT) or one.sort == "any" else self._real
        return f"({op} {write(one)} {write(other)})"

    def _applied(self, term: Term) -> str:
        name, *arguments = term.args
        sorts = [
            self._sort(arg) if arg.op is not Op.CONST or arg.sort != STRING_SORT else "String" for arg in arguments
        ]
        symbol = "|" + f"{name} {' '.join(sorts)}".replace("|", "/").replace("\\", "/") + "|"
        self._functions.setdefault(symbol, f"({' '.join(sorts)}) {self._sort(term)}")
        return f"({symbol} {' '.join(map(self._written, arguments))})" if arguments else symbol

    def _exclusions(self) -> list[str]:
        """Each variable with few values has exactly one of them."""
        found = []
        known: dict[str, list[str]] = {}
        for term in self._terms:
            if term.op is Op.CHOICE:
                known.setdefault(term.args[0], []).append(self._names[term])
        for name, listed in known.items():
            if len(listed) > 1:
                found.append(f"((_ at-most 1) {' '.join(listed)})")
            if len(listed) == self._choices[name]:
                found.append(f"(or {' '.join(listed)})")
        return found

    def _variables(self) -> list[Term]:
        return [term for term in self._terms if term.op is Op.VAR and term.sort == STRING_SORT]

    def _constants(self) -> list[str]:
        return [term.args[0] for term in self._terms if term.op is Op.CONST and term.sort == STRING_SORT]

    def _string_facts(self) -> list[str]:
        """What the contract demands of each string: of one that stands as a number, which constants it cannot be."""
        found = []
        for term in self._variables():
            rules = self._schemas.get(term.args[0], ())
            if self._strings.needs_string_theory(term):
                found += [self._said.conforming(one, self._names[term]) for one in rules]
                continue
            found.append(f"(<= 0 {self._names[term]})")
            for value, code in list(self._codes.items()):
                if not all(conforms(json.loads(one), value) for one in rules):
                    found.append(f"(not (= {self._names[term]} {code}))")
        return found

    def _stamped(self, symbol: str, term: Term) -> list[str]:
        """What is known of a timestamp apart from its number: its form, and where it stands among the constants."""
        form, counted = term.args
        if term in self._stamped_as:
            return [f"(= {symbol} {string_literal(self._stamped_as[term])})"]
        found = [f"(str.in_re {symbol} {language_of(MATCHES, PATTERNS[form])})"]
        for value in dict.fromkeys(self._constants()):
            first = first_from(form, value)
            found.append(f"(= (str.< {symbol} {string_literal(value)}) (< {self._written(counted)} {first}))")
        return found

    def _predicate_facts(self) -> list[str]:
        """Of a predicate that is not translated: what it says of every constant that stands in the question."""
        found = []
        for (predicate, parameter), name in self._said.predicates.items():
            for value in dict.fromkeys(self._constants()):
                holds = f"({name} {string_literal(value)})"
                found.append(holds if self._decide(predicate, parameter, value) else f"(not {holds})")
        return found


def _digits(whole: str) -> str:
    """SMT-LIB writes no number below zero."""
    return f'(ite (<= 0 {whole}) (str.from_int {whole}) (str.++ "-" (str.from_int (- {whole}))))'


def _remainder(one: str, size: int) -> str:
    """SMT-LIB's `mod` is never negative; OPA's remainder has the sign of the dividend."""
    return f"(ite (<= 0 {one}) (mod {one} {size}) (- (mod (- {one}) {size})))"


def _numeral(value: int | Fraction) -> str:
    if isinstance(value, Fraction):
        top, bottom = value.numerator, value.denominator
        return f"(/ {top}.0 {bottom}.0)" if top >= 0 else f"(/ (- {-top}.0) {bottom}.0)"
    return str(value) if value >= 0 else f"(- {-value})"


def read_value(term: Term, raw: Any, query: Query) -> Any:
    """A variable's value in a model: a boolean, a number, a string, or the number that represents a string."""
    if term.sort == BOOL:
        return raw == "true"
    if term.sort == STRING_SORT:
        return raw if term.args[0] not in query.coded else int(raw)
    return Fraction(raw) if term.sort == REAL else int(raw)
