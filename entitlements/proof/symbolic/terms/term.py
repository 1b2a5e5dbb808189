"""Terms: hash-consed formulas over booleans, numbers and strings, simplified as they are made. No solver is known here.

Equal terms are one object, so that what both sides have in common falls away before anyone solves anything. Sorts:
`bool`, `int`, `real`, `text`, and `any` for what only equality is known of.

Guarantees: simplification keeps the meaning under every assignment; equal terms are one object.
"""

from __future__ import annotations

import itertools
import operator
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, TypeAlias

from entitlements.proof.symbolic.terms.op import TURNED, Arithmetic, Op
from entitlements.proof.symbolic.terms.timestamps import alike, first_from, number_of

Number: TypeAlias = "int | Fraction"

BOOL, INT, REAL, STRING_SORT, ANY = "bool", "int", "real", "text", "any"
_FLATTEN = 24
_NUMBERING = itertools.count(1)
_by_number = operator.attrgetter("number")


class Term:
    """One node. op: what it is; args: terms, or plain values for leaves; sort; number: above those of its args."""

    __slots__ = ("__weakref__", "args", "number", "op", "sort")

    def __init__(self, op: Op, args: tuple[Any, ...], sort: str) -> None:
        self.op, self.args, self.sort = op, args, sort
        self.number = next(_NUMBERING)

    def __repr__(self) -> str:
        if self.op in (Op.CONST, Op.VAR):
            return str(self.args[0])
        return f"({self.op} {' '.join(map(repr, self.args))})"


_TABLE: weakref.WeakValueDictionary[tuple[Any, ...], Term] = weakref.WeakValueDictionary()


def make(op: Op, args: tuple[Any, ...], sort: str) -> Term:
    """The node of these; not simplified."""
    key = (op, sort, *(type(arg) if isinstance(arg, bool) else arg for arg in args), *args)
    found = _TABLE.get(key)
    if found is None:
        found = Term(op, args, sort)
        _TABLE[key] = found
    return found


TRUE: Final = Term(Op.CONST, (True,), BOOL)
FALSE: Final = Term(Op.CONST, (False,), BOOL)


def truth(value: bool) -> Term:
    """The constant."""
    return TRUE if value else FALSE


def variable(name: str, sort: str) -> Term:
    """A free variable."""
    return make(Op.VAR, (name,), sort)


def number(value: Number) -> Term:
    """A numeric constant."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = int(value)
    return make(Op.CONST, (value,), INT if isinstance(value, int) else REAL)


def string(value: str) -> Term:
    """A string constant."""
    return make(Op.CONST, (value,), STRING_SORT)


def choice(name: str, index: int, size: int) -> Term:
    """That the variable `name`, which has one of `size` values, has the one at `index`."""
    return TRUE if size == 1 else make(Op.CHOICE, (name, index, size), BOOL)


def neg(term: Term) -> Term:
    """Not."""
    if term is TRUE or term is FALSE:
        return FALSE if term is TRUE else TRUE
    return term.args[0] if term.op is Op.NOT else make(Op.NOT, (term,), BOOL)


def conj(*terms: Term) -> Term:
    """Conjunction."""
    if len(terms) == 2:
        one, other = terms
        if one is TRUE or one is other:
            return other
        if other is TRUE:
            return one
        if one is FALSE or other is FALSE:
            return FALSE
    return _junction(Op.AND, terms, neutral=TRUE, absorbing=FALSE)


def disj(*terms: Term) -> Term:
    """Disjunction."""
    if len(terms) == 1:
        return terms[0]
    return _junction(Op.OR, terms, neutral=FALSE, absorbing=TRUE)


def _junction(op: Op, terms: Iterable[Term], *, neutral: Term, absorbing: Term) -> Term:
    parts: dict[Term, None] = {}
    for term in terms:
        if term is absorbing:
            return absorbing
        if term is neutral:
            continue
        if term.op is op and len(term.args) <= _FLATTEN:
            parts.update(dict.fromkeys(term.args))
        else:
            parts[term] = None
    if not parts:
        return neutral
    if len(parts) == 1:
        return next(iter(parts))
    if any(_contradicts(op, part.args[0], parts) for part in parts if part.op is Op.NOT) or _choices_decide(op, parts):
        return absorbing
    dual = Op.OR if op is Op.AND else Op.AND
    # Absorption: x and (x or y) is x; x and (not x or y) is x and y.
    kept = [p for p in parts if not (p.op is dual and any(arg in parts for arg in p.args))]
    for place, part in enumerate(kept):
        if part.op is dual and any(_opposite(arg) in parts for arg in part.args):
            left = _junction(
                dual, [arg for arg in part.args if _opposite(arg) not in parts], neutral=absorbing, absorbing=neutral
            )
            return _junction(op, [*kept[:place], left, *kept[place + 1 :]], neutral=neutral, absorbing=absorbing)
    if len(kept) == 1:
        return kept[0]
    return make(op, tuple(sorted(kept, key=_by_number)), BOOL)


def _contradicts(op: Op, denied: Term, parts: Container[Term]) -> bool:
    """Whether a term that is denied is there itself, or all that it is made of."""
    return denied in parts or (denied.op is op and all(arg in parts for arg in denied.args))


def _opposite(term: Term) -> Term | None:
    """The negation of a term, if it is a node already."""
    return term.args[0] if term.op is Op.NOT else _TABLE.get((Op.NOT, BOOL, term, term))


def _choices_decide(op: Op, parts: Iterable[Term]) -> bool:
    """Two values of one variable exclude each other, and one of all its values it has."""
    seen: dict[str, set[int]] = {}
    for part in parts:
        if part.op is Op.CHOICE:
            name, index, size = part.args
            known = seen.setdefault(name, set())
            known.add(index)
            if len(known) > 1 and (op is Op.AND or len(known) == size):
                return True
    return False


def implies(one: Term, other: Term) -> Term:
    """Implication."""
    return disj(neg(one), other)


def same_truth(one: Term, other: Term) -> Term:
    """Equivalence of booleans."""
    if one is other:
        return TRUE
    return conj(implies(one, other), implies(other, one))


def equal(one: Term, other: Term) -> Term:
    """Equality of two numbers, two strings or two values that nothing else is known of."""
    if one is other:
        return TRUE
    if one.op is Op.CONST and other.op is Op.CONST:
        return truth(one.args == other.args)
    if (found := _as_numbers(Op.EQUAL, one, other)) is not None:
        return found
    if Op.COUNT in (one.op, other.op) and number(0) in (one, other):
        return conj(*map(neg, one.args if one.op is Op.COUNT else other.args))
    if one.op is Op.CONST or (other.op is not Op.CONST and other.number < one.number):
        one, other = other, one
    return make(Op.EQUAL, (one, other), BOOL)


def _as_numbers(op: Op, one: Term, other: Term) -> Term | None:
    """A comparison of a timestamp with a constant or with one of its form, as one of numbers."""
    if one.op is Op.CONST and other.op is Op.TIMESTAMP:
        found = _as_numbers(TURNED[op], other, one)
        return found if found is None or op is Op.EQUAL else neg(found)
    if one.op is not Op.TIMESTAMP:
        return None
    form, counted = one.args
    if other.op is Op.TIMESTAMP and alike(form, other.args[0]):
        return equal(counted, other.args[1]) if op is Op.EQUAL else less(counted, other.args[1], strict=op is Op.LESS)
    if other.op is not Op.CONST:
        return None
    if op is not Op.EQUAL:
        return less(counted, number(first_from(form, other.args[0], beyond=op is Op.AT_MOST)))
    exactly = number_of(form, other.args[0])
    return FALSE if exactly is None else equal(counted, number(exactly))


def less(one: Term, other: Term, *, strict: bool = True) -> Term:
    """`<` (or `<=`) of two numbers or of two strings; strings by code point (RFC 8259 strings as OPA orders them)."""
    if one is other:
        return truth(not strict)
    if one.op is Op.CONST and other.op is Op.CONST:
        left, right = one.args[0], other.args[0]
        return truth(left < right or (not strict and left == right))
    op = Op.LESS if strict else Op.AT_MOST
    if (found := _as_numbers(op, one, other)) is not None:
        return found
    if one.op is Op.COUNT and other is number(1 if strict else 0):
        return conj(*map(neg, one.args))
    if other.op is Op.COUNT and one is number(0 if strict else 1):
        return disj(*other.args)
    if other.op is Op.COUNT and one.op is Op.CONST:
        missing = len(other.args) - one.args[0]
        if missing < 0 or (strict and missing == 0):
            return FALSE
    if one.op is Op.COUNT and other.op is Op.CONST:
        spare = other.args[0] - len(one.args)
        if spare > 0 or (not strict and spare == 0):
            return TRUE
    return make(op, (one, other), BOOL)


def remainder(one: int, other: int) -> int:
    """What is left of a division that cuts off: it has the sign of the dividend."""
    size = abs(one) % abs(other)
    return size if one >= 0 else -size


CALCULATED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    Op.PLUS: operator.add,
    Op.MINUS: operator.sub,
    Op.TIMES: operator.mul,
    Op.REMAINDER: remainder,
    Op.QUOTIENT: operator.floordiv,
}
"""Arithmetic by operator. `%` is of whole numbers by a constant; `div`, the whole number below, by one above zero."""


def arithmetic(op: Arithmetic, one: Term, other: Term) -> Term:
    """A calculation of numbers, see `CALCULATED`."""
    if one.op is Op.CONST and other.op is Op.CONST:
        return number(CALCULATED[op](one.args[0], other.args[0]))
    if op == "+" and number(0) in (one, other):
        return other if one is number(0) else one
    sort = INT if (one.sort, other.sort) == (INT, INT) else REAL
    return make(Op(op), (one, other), sort)


def conditional(condition: Term, one: Term, other: Term) -> Term:
    """One number where the condition holds, another elsewhere."""
    if condition is TRUE or condition is FALSE or one is other:
        return other if condition is FALSE else one
    return make(Op.IF, (condition, one, other), INT if (one.sort, other.sort) == (INT, INT) else REAL)


def count(terms: Sequence[Term]) -> Term:
    """How many of these booleans hold, as a number."""
    fixed = sum(term is TRUE for term in terms)
    open_terms = tuple(term for term in terms if term is not TRUE and term is not FALSE)
    known_multiplicity = make(Op.COUNT, open_terms, INT) if open_terms else number(0)
    return arithmetic("+", known_multiplicity, number(fixed)) if fixed else known_multiplicity


def application(name: str, args: Sequence[Term], sort: str) -> Term:
    """An uninterpreted function: of its result it is only known that equal arguments give equal ones."""
    return make(Op.APPLY, (name, *args), sort)


def subterms(roots: Iterable[Term]) -> Iterator[Term]:
    """Every node below (and with) these, each once, arguments first."""
    seen: set[Term] = set()
    stack = list(roots)
    while stack:
        term = stack.pop()
        if term not in seen:
            seen.add(term)
            stack += [arg for arg in term.args if isinstance(arg, Term)]
    yield from sorted(seen, key=_by_number)


def is_whole(subject: Term) -> Term:
    """Whether a number is a whole one."""
    found = subject.sort == INT
    return truth(found) if found or subject.op is Op.CONST else make(Op.IS_WHOLE, (subject,), BOOL)
