"""Symbolic values: which JSON value (or set) a local holds, as cases that exclude each other, each under a condition.

A value is undefined where no case holds. Merging values at a condition keeps their cases apart, so that nothing is lost
and nothing has to be guessed; equal constants share a case. Numbers compare by value: `1` and `1.0` are one constant.

Guarantees: under every assignment at most one case holds; where none does, the value is undefined.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from entitlements.engine.spelling import Canonical
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg, number, string
from entitlements.proof.symbolic.values.truncation import WHOLE, Truncation

NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT, SET = "null", "boolean", "number", "string", "array", "object", "set"
KINDS: Final = (NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT, SET)
"""In the order in which OPA sorts values of different types."""


class Const:
    """A constant scalar; equal ones are one object."""

    __slots__ = ("kind", "value")
    _known: ClassVar[dict[tuple[str, Any], Const]] = {}

    def __new__(cls, value: Any) -> Const:
        """The constant of a JSON scalar or a Fraction. Of a number it represents the spelling that the service uses."""
        kind = kind_of(value)
        if kind == NUMBER:
            value = Fraction(repr(value) if isinstance(value, float) else value)
            value = int(value) if value.denominator == 1 else value
        found = cls._known.get((kind, value))
        if found is None:
            found = super().__new__(cls)
            found.kind, found.value = kind, value
            cls._known[kind, value] = found
        return found

    kind: str
    value: Any

    def __repr__(self) -> str:
        return repr(self.value)


def kind_of(value: Any) -> str:
    """The JSON type of a scalar."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    return STRING if isinstance(value, str) else NUMBER


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number or a string that is not known: its term."""

    kind: str
    term: Term


@dataclass(frozen=True, slots=True)
class Segments:
    """What a list of the segments of a string is exactly. known: its first elements are the first segments, one each;
    more: where there are more segments than those."""

    string: Term
    delimiter: str
    known: int
    more: Term


@dataclass(frozen=True, slots=True)
class Beyond:
    """The elements of a list beyond those that are looked at. number: how many there are, none where the list is
    empty; repeat: whether elements may repeat, so that they may be any of those that are looked at.
    """

    number: Term
    repeat: bool


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """The elements whose condition holds, in this order.

    prefix: each element's condition implies that of the one before, so that the i-th stands at index i; ordered:
    whether the order is known; counted: whether it is known how often an element occurs; repeats: where it is not,
    conditions each of which adds one more occurrence of some element, so that the length is known; None where that is
    not either; origin: the input list that this is; truncated: what depends on input lists of which longer ones are
    permitted than are looked at; segments: where these are of a string.
    """

    elements: tuple[tuple[Term, Value], ...]
    prefix: bool = True
    ordered: bool = True
    known_multiplicity: bool = True
    repeats: tuple[Term, ...] | None = None
    source_list: str = ""
    truncated: Truncation = field(default_factory=lambda: WHOLE)
    more: Beyond | None = None
    segments: Segments | None = None
    kind = ARRAY


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    """The elements whose condition holds; symbolic ones may turn out to be equal."""

    elements: tuple[tuple[Term, Value], ...]
    truncated: Truncation = field(default_factory=lambda: WHOLE)
    kind = SET


class OpenRest(Protocol):
    """The members of an open object, made when a policy names one. known: those that were named."""

    known: dict[str, Value]

    def __call__(self, key: str) -> Value:
        """The member of a name."""


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """The members whose condition holds; keys differ under every assignment.

    rest: gives the member of any other name where the object is open (nothing says which members there are).
    """

    members: tuple[tuple[Term, Leaf, Value], ...]
    rest: OpenRest | None = None
    truncated: Truncation = field(default_factory=lambda: WHOLE)
    index: Mapping[Const, int] = field(init=False)
    kind = OBJECT

    def __post_init__(self) -> None:
        """Find constant keys fast."""
        index = {key: place for place, (_, key, _) in enumerate(self.members) if isinstance(key, Const)}
        object.__setattr__(self, "index", index)


Leaf: TypeAlias = "Const | Scalar | Array | Set | Object"


class Value:
    """Cases that exclude each other: a condition and what the value then is."""

    __slots__ = ("__weakref__", "cases")
    _known: ClassVar[weakref.WeakValueDictionary[tuple[tuple[Term, Leaf], ...], Value]] = weakref.WeakValueDictionary()

    def __new__(cls, cases: tuple[tuple[Term, Leaf], ...]) -> Value:
        """The value of these cases; equal ones are one object."""
        found = cls._known.get(cases)
        if found is None:
            found = super().__new__(cls)
            found.cases = cases
            cls._known[cases] = found
        return found

    cases: tuple[tuple[Term, Leaf], ...]

    @property
    def defined(self) -> Term:
        """Where the value is anything at all."""
        return disj(*(condition for condition, _ in self.cases))

    def where(self, condition: Term) -> Value:
        """The value where the condition holds, undefined elsewhere."""
        if condition is TRUE or (len(self.cases) > 0 and self.defined is condition):
            return self
        return Value(
            tuple((conj(condition, guard), leaf) for guard, leaf in self.cases if conj(condition, guard) is not FALSE)
        )

    def __repr__(self) -> str:
        return f"Value{self.cases!r}"


UNDEFINED: Final = Value(())


def of_leaf(leaf: Leaf) -> Value:
    """A value that is just this."""
    return Value(((TRUE, leaf),))


_CONSTANTS: dict[Const, Value] = {}
_NON_CANONICAL: dict[Fraction, Value] = {}


class NonCanonicalNumber(Fraction):
    """A number that was written with a point or an exponent: equal to any other spelling, but not printed like it."""


def constant(value: Any) -> Value:
    """The value of a JSON document: scalars, lists and objects. A Fraction that is not `Canonical` is a number written
    in a way that is not known."""
    if isinstance(value, Fraction) and not isinstance(value, Canonical):
        return _NON_CANONICAL.setdefault(Fraction(value), of_leaf(Scalar(NUMBER, number(Fraction(value)))))
    if isinstance(value, list):
        return of_leaf(Array(tuple((TRUE, constant(item)) for item in value)))
    if isinstance(value, Mapping):
        return of_leaf(Object(tuple((TRUE, Const(name), constant(member)) for name, member in value.items())))
    known = Const(value)
    return _CONSTANTS.setdefault(known, of_leaf(known))


def from_truth(condition: Term) -> Value:
    """A boolean value that is true where the condition holds and false elsewhere."""
    if condition is TRUE or condition is FALSE:
        return constant(condition is TRUE)
    return Value(((condition, Const(True)), (neg(condition), Const(False))))


def joined(parts: Iterable[tuple[Term, Value]]) -> Value:
    """One value of several under conditions that exclude each other."""
    guards: dict[Leaf, list[Term]] = {}
    for condition, value in parts:
        for guard, leaf in value.cases:
            both_hold = conj(condition, guard)
            if both_hold is not FALSE:
                guards.setdefault(leaf, []).append(both_hold)
    return Value(tuple((disj(*conditions), leaf) for leaf, conditions in guards.items()))


def term_of(leaf: Leaf) -> Term:
    """The term of a number or a string."""
    if isinstance(leaf, Const):
        return string(leaf.value) if leaf.kind == STRING else number(leaf.value)
    assert isinstance(leaf, Scalar)  # noqa: S101 - callers look at the kind
    return leaf.term


def scalar(kind: str, term: Term) -> Leaf:
    """The leaf of a numeric or textual term."""
    return Const(term.args[0]) if term.op is Op.CONST else Scalar(kind, term)
