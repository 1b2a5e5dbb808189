"""Built-in functions on symbolic values: one table of rules, and OPA itself for whatever is constant.

Each call is answered by the first that can: the rule of its name; OPA, where the arguments can only be a few constants;
or an uninterpreted function of the arguments, of which only congruence is known. What a call may fail for is reported.

Assumes: OPA's declaration of the types. Guarantees: under every assignment the result is that of OPA, or one that no
term knows anything of but congruence (then noted in `approximations`); each failure has its condition. NotFollowed
otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, Protocol

from entitlements.engine.builtin_calls import CallResult, SetDocument
from entitlements.proof.symbolic.builtins import any_value, formatting, lists, number_spellings, numbers, strings, times
from entitlements.proof.symbolic.builtins.table import NoRule, Rule
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    FALSE,
    REAL,
    STRING_SORT,
    TRUE,
    Term,
    application,
    conj,
    disj,
    neg,
)
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.concrete import alternatives, as_key, is_non_canonical, respelt
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import (
    BOOLEAN,
    KINDS,
    NUMBER,
    STRING,
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Set,
    Value,
    constant,
    from_truth,
    joined,
    of_leaf,
    scalar,
    term_of,
)

RULES: Final[dict[str, Rule]] = {
    **any_value.RULES,
    **formatting.RULES,
    **lists.RULES,
    **numbers.RULES,
    **strings.RULES,
    **times.RULES,
}
"""The rules by the name of the built-in."""
_MOST_ROWS = 400
_MOST_PAIRS = 4096


class Oracle(Protocol):
    """OPA, asked for calls of one built-in on constant documents; a `SetDocument` is a set."""

    def __call__(self, name: str, rows: Sequence[Sequence[Any]], *, relation: bool = False) -> list[CallResult]:
        """One result a row of arguments. relation: whether the function gives many results."""


Outcome = tuple[Value, dict[str, Term]]
_RELATIONS: Final = frozenset({"walk"})
"""Built-ins that give many results, as a list."""
_FALSE_OF_OTHER_TYPES: Final = frozenset({"json.is_valid", "regex.is_valid", "yaml.is_valid"})
"""Built-ins that give `false` for an argument of another type than is declared."""


class Builtins:
    """Applies built-ins. declared: their types as OPA's plan declares them; oracle: OPA; opaque: names of documents."""

    def __init__(
        self,
        declared: Mapping[str, Mapping[str, Any]],
        algebra: Algebra,
        limits: Limits,
        oracle: Oracle,
        opaque: dict[Leaf, int] | None = None,
    ) -> None:
        self._declared = declared
        self.algebra = algebra
        self._limits = limits
        self._oracle = oracle
        # Shared by both sides of a question: different documents must never get the same name.
        self._opaque: dict[Leaf, int] = {} if opaque is None else opaque
        self._asked: dict[tuple[str, tuple[Any, ...]], CallResult] = {}
        self._told: dict[str, Term] = {}

    def __call__(self, name: str, arguments: Sequence[Value], live: Term) -> Outcome:
        """The result of a call and, by what goes wrong, the condition under which it fails."""
        fitting, failures = self._typed(name, arguments, live)
        if name in _FALSE_OF_OTHER_TYPES:
            others = [value.where(neg(fit.defined)) for value, fit in zip(arguments, fitting, strict=True)]
            if any(value.cases for value in others):
                return self._false_of_others(name, arguments, others, live)
        if any(not value.cases for value in fitting):
            return UNDEFINED, failures
        unspelled = any(number_spellings.is_unknown(name, value.where(live)) for value in fitting)
        rule = self.rule_of(name)
        if rule is not None and (not unspelled or name in number_spellings.KEEPING):
            self._told = {}
            try:
                return rule(self, fitting, live), {**failures, **self._told}
            except NoRule:
                pass
        constants = None if unspelled and name not in number_spellings.PICKING else self._by_constants(name, fitting)
        outcome = constants or self._by_case(name, fitting, live)
        if outcome is None:
            if unspelled:
                told = f"`{self._limits.place}`: `{name}` may tell apart how a number is spelled"
                raise Unsupported("number_form", f"{told}; write it in digits, as `1` or `1.5`")
            self._refuse_sets_of_members(fitting)
            outcome = self._uninterpreted(name, fitting)
        found, more = outcome
        return found, {**failures, **more}

    def rule_of(self, name: str) -> Rule | None:
        """The rule of a built-in, if the table has one."""
        return RULES.get(name)

    def _false_of_others(self, name: str, arguments: Sequence[Value], others: Sequence[Value], live: Term) -> Outcome:
        """False where an argument is of another type than is declared, and the call elsewhere."""
        bad = disj(*(value.defined for value in others))
        found, failures = self(name, [value.where(neg(bad)) for value in arguments], live)
        defined = conj(*(value.defined for value in arguments))
        return joined([(conj(bad, defined), constant(False)), (neg(bad), found)]), failures

    def _by_case(self, name: str, arguments: Sequence[Value], live: Term) -> Outcome | None:
        """Each combination of cases by itself; None where there is only one."""
        rows = self.pairs(arguments)
        if len(rows) == 1:
            return None
        parts: list[tuple[Term, Value]] = []
        failures: dict[str, Term] = {}
        for row in rows:
            condition = conj(live, *(guard for guard, _ in row))
            if condition is not FALSE:
                found, more = self(name, [of_leaf(leaf) for _, leaf in row], live)
                parts.append((conj(*(guard for guard, _ in row)), found))
                for what, fails in more.items():
                    failures[what] = disj(failures.get(what, FALSE), conj(condition, fails))
        return joined(parts), failures

    def _typed(self, name: str, arguments: Sequence[Value], live: Term) -> tuple[list[Value], dict[str, Term]]:
        """The arguments as far as they have the declared types: on any other a built-in fails."""
        declared = self._declared.get(name, {}).get("args") or ()
        fitting: list[Value] = []
        failures: dict[str, Term] = {}
        for place, value in enumerate(arguments):
            kinds = _kinds(declared[place]) if place < len(declared) else frozenset(KINDS)
            bad = disj(*(conj(live, guard) for guard, leaf in value.cases if leaf.kind not in kinds))
            if bad is not FALSE and name not in _FALSE_OF_OTHER_TYPES:
                failures[f"`{name}` gets an argument of another type"] = bad
            fitting.append(Value(tuple((guard, leaf) for guard, leaf in value.cases if leaf.kind in kinds)))
        return fitting, failures

    def _by_constants(self, name: str, arguments: Sequence[Value]) -> Outcome | None:
        """Ask OPA for every constant row that the arguments can be; None where there are too many, or others."""
        options = [alternatives(value, _MOST_ROWS) for value in arguments]
        total = 1
        for option in options:
            if option is None:
                return None
            total *= len(option)
        if total > _MOST_ROWS:
            return None
        rows = []
        for row in itertools.product(*(option or () for option in options)):
            condition = conj(*(guard for guard, _ in row))
            if condition is not FALSE:
                rows.append((condition, [document for _, document in row]))
        parts, failed = [], FALSE
        for (condition, asked), result in zip(rows, self.ask(name, [row for _, row in rows]), strict=True):
            if result.failed:
                failed = disj(failed, condition)
            elif result.defined:
                picked = name in number_spellings.PICKING and any(map(is_non_canonical, asked))
                parts.append((condition, _value_of(respelt(result.value) if picked else result.value)))
        return joined(parts), ({f"`{name}` fails": failed} if failed is not FALSE else {})

    def ask(self, name: str, rows: Sequence[Sequence[Any]]) -> list[CallResult]:
        """What OPA makes of constants, each row asked once."""
        keys = [(name, tuple(map(as_key, row))) for row in rows]
        fresh = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._asked}
        if fresh:
            handed = [[self._handed(argument, 0) for argument in row] for row in fresh.values()]
            answers = self._oracle(name, handed, relation=name in _RELATIONS)
            self._asked.update(zip(fresh, answers, strict=True))
        return [self._asked[key] for key in keys]

    def _handed(self, document: Any, depth: int) -> Any:
        """A document as it can be handed to OPA. Raises Unsupported where it cannot."""
        if isinstance(document, dict):
            return {name: self._handed(member, depth + 1) for name, member in document.items()}
        if isinstance(document, list):
            if isinstance(document, SetDocument) and depth:
                raise Unsupported(
                    "set_within", f"`{self._limits.place}`: a set within a document is handed to a built-in"
                )
            return type(document)(self._handed(item, depth + 1) for item in document)
        if isinstance(document, Fraction):
            # Written out in digits, as many numbers have no exact binary form.
            if Fraction(repr(float(document))) != document:
                raise Unsupported("number_form", f"`{self._limits.place}`: a number with too many digits decides")
            return float(document)
        return document

    def _refuse_sets_of_members(self, arguments: Sequence[Value]) -> None:
        """Raise where a list that stands as a set of members may be followed once it is taken element by element."""
        for value in arguments:
            for _, leaf in value.cases:
                if isinstance(leaf, Array) and leaf.source_list and not (leaf.ordered and leaf.known_multiplicity):
                    self.algebra.need_order(leaf)

    def _uninterpreted(self, name: str, arguments: Sequence[Value]) -> Outcome:
        """A result that depends on the arguments only, in a way that is not known."""
        result = str((self._declared[name].get("result") or {}).get("type"))
        if result not in (BOOLEAN, NUMBER, STRING):
            raise Unsupported("builtin_unknown", f"`{self._limits.place}`: what `{name}` gives is not followed")
        self._limits.approximated(name)
        parts, failed = [], FALSE
        for row in self.pairs(arguments):
            condition = conj(*(guard for guard, _ in row))
            terms = [self._term(leaf) for _, leaf in row]
            sort = {BOOLEAN: BOOL, NUMBER: REAL, STRING: STRING_SORT}[result]
            term = application(name, terms, sort)
            found = from_truth(term) if sort == BOOL else of_leaf(scalar(result, term))
            fails = conj(condition, application(f"{name} fails", terms, BOOL))
            failed = disj(failed, fails)
            parts.append((conj(condition, neg(fails)), found))
        return joined(parts), {f"`{name}` may fail": failed}

    def fails(self, what: str, condition: Term) -> None:
        """Write down that the call fails where a condition holds, and what for."""
        if condition is not FALSE:
            self._told[what] = disj(self._told.get(what, FALSE), condition)

    def unknown_number(self, name: str, leaves: Sequence[Leaf]) -> Value:
        """A number that depends on the arguments only, where a built-in cannot fail."""
        self._limits.approximated(name)
        return of_leaf(scalar(NUMBER, application(name, [self._term(leaf) for leaf in leaves], REAL)))

    def pairs(self, arguments: Sequence[Value]) -> list[tuple[tuple[Term, Leaf], ...]]:
        """Every combination of the cases of the arguments."""
        total = 1
        for value in arguments:
            total *= len(value.cases)
        if total > _MOST_PAIRS:
            raise Unsupported("too_many_cases", f"`{self._limits.place}`: too many values meet here")
        return list(itertools.product(*(value.cases for value in arguments)))

    def _term(self, leaf: Leaf) -> Term:
        if isinstance(leaf, Const) and leaf.kind not in (NUMBER, STRING):
            return application(f"constant {leaf.value}", (), "any")
        if leaf.kind in (NUMBER, STRING):
            return term_of(leaf)
        if isinstance(leaf, (Array, Set, Object)):
            self.algebra.noticed(leaf)
        return application(f"document {self._opaque.setdefault(leaf, len(self._opaque))}", (), "any")

    def by_leaf(self, arguments: Sequence[Value], make: Callable[..., Value | None]) -> Value:
        """Combine the cases one by one; a combination that `make` gives None for leaves the rule."""
        parts = []
        for row in self.pairs(arguments):
            condition = conj(*(guard for guard, _ in row))
            if condition is FALSE:
                continue
            found = make(*(leaf for _, leaf in row))
            if found is None:
                raise NoRule
            parts.append((condition, found))
        return joined(parts)


def _kinds(declared: Mapping[str, Any]) -> frozenset[str]:
    kind = declared.get("type")
    if kind == "any":
        inner = declared.get("of")
        return frozenset(KINDS) if not inner else frozenset().union(*map(_kinds, inner))
    return frozenset({str(kind)})


def _value_of(document: Any) -> Value:
    if isinstance(document, SetDocument):
        return of_leaf(Set(tuple((TRUE, _value_of(item)) for item in document)))
    return constant(document)
