"""Requests that a question reads alike, as conditions: what it asks of action and type of resource is alike true.

Assumes: the terms of a question depend on every variable that a decision depends on. Guarantees: the classes of two
requests are equal or exclude each other; of requests in one class, nothing that the question asks of action and type
alone, and that can be calculated, tells them apart.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entitlements.proof.requests import ANY, IS, LIKE, Asked, Label, RequestKind
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown
from entitlements.proof.symbolic.terms.op import CONNECTIVES, Op
from entitlements.proof.symbolic.terms.term import BOOL, FALSE, TRUE, Term, conj, disj, neg, subterms
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import Const, Scalar, Value, constant

_ACTION, _TYPE = "action.name", "resource.type"
MOST_CLASSES = 40
"""So many classes of requests are distinguished at most; a witness of more represents any request, and says so."""
_MOST_NAMED = 400
_LEAVES = (Op.VAR, Op.CHOICE)
_COMMUTATIVE = (Op.AND, Op.OR, Op.COUNT, Op.EQUAL)
_Row = tuple[tuple[Label, Term], tuple[Label, Term]]


@dataclass(frozen=True)
class RequestClass:
    """Requests that are read alike. action, type, both: the conditions that make them so."""

    kind: RequestKind
    action: Term
    type: Term
    both: Term

    @property
    def condition(self) -> Term:
        """Where a request is of this class."""
        return conj(self.action, self.type, self.both)


class RequestClasses:
    """The classes of requests of a question. atoms: what it asks of action and type alone."""

    def __init__(self, question: Question) -> None:
        self._decide = question.decide_string
        request = question.pair.request
        atoms = _atoms(_asked(question))
        self.atoms = frozenset(atom for atom, names in atoms.items() if names <= {_ACTION, _TYPE})
        algebra = question.inputs.algebra
        self._action = _Name(algebra, request.action, atoms, _ACTION)
        self._type = _Name(algebra, request.kind, atoms, _TYPE)
        self._both = [atom for atom in self.atoms if atoms[atom] == {_ACTION, _TYPE}]

    @property
    def open(self) -> bool:
        """Whether a request may have any action and any type."""
        return not self._action.listed and not self._type.listed

    def of(self, action: str, kind: str) -> RequestClass:
        """The class of a request."""
        says = self._says(action, kind)
        one, other = self._action.read(action, says), self._type.read(kind, says)
        named = one[0].how == other[0].how == IS
        both = {} if named else {atom: says.of(atom) for atom in self._both}
        return RequestClass(RequestKind(one[0], other[0], _asked_of(both)), one[1], other[1], _as_said(both))

    def within(self, region: Term, own: tuple[str, str], session: Session) -> tuple[list[RequestClass], bool]:
        """The classes of requests that meet a condition made of atoms, and whether they are all of them.

        own: an action and a type, where a question names none.
        """
        found: dict[RequestClass, None] = {}
        named = [*itertools.product(self._action.names or (own[0],), self._type.names or (own[1],))]
        for names in named if len(named) <= _MOST_NAMED else ():
            if self._says(*names).of(region):
                found[self.of(*names)] = None
        while len(found) <= MOST_CLASSES:
            others = [region, *(neg(one.condition) for one in found)]
            if conj(*others) is FALSE:
                return [*found], True
            assignment = session.example(others)
            if assignment is None:
                return [*found], session.never(others)
            more = self.of(assignment.document(self._action.value), assignment.document(self._type.value))
            if more in found:
                break
            found[more] = None
        return [*found], False

    def _says(self, action: str, kind: str) -> _Truths:
        strings, choices = {_ACTION: action, _TYPE: kind}, self._action.chosen(action) | self._type.chosen(kind)
        return _Truths(Assignment(strings, choices, self._decide, lambda _term: None))


class _Truths:
    """What a request makes of conditions on its action and type alone."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment

    def of(self, atom: Term) -> bool | None:
        """Whether a condition holds; None where that cannot be calculated."""
        try:
            return bool(self._assignment.of(atom))
        except NotKnown:
            return None


class _Name:
    """How a question reads one string of the request: the name of the action, or the type of the resource."""

    def __init__(self, algebra: Algebra, value: Value, atoms: Mapping[Term, frozenset[str]], variable: str) -> None:
        self._algebra, self.value, self._variable = algebra, value, variable
        self._unread = not any(variable in names for names in atoms.values())
        self._order = [str(leaf.value) for _, leaf in value.cases if isinstance(leaf, Const)]
        self.listed = tuple(sorted(self._order))
        own = [atom for atom, names in atoms.items() if names == {variable}]
        term = next((leaf.term for _, leaf in value.cases if isinstance(leaf, Scalar)), None)
        self._named = {name: atom for atom in own if (name := _names(atom, term)) is not None}
        self._asked = [atom for atom in own if atom not in self._named.values()]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the question tells apart from all others, where it reads the string."""
        return () if self._unread else self.listed or tuple(sorted(self._named))

    def chosen(self, name: str) -> dict[str, int]:
        """Which of the names that a contract lists this one is."""
        return {self._variable: self._order.index(name)} if name in self._order else {}

    def read(self, name: str, says: _Truths) -> tuple[Label, Term]:
        """All names that are read as this one is, and the condition that a name is one of them."""
        if self._unread and len(self.listed) != 1:
            return Label(name, ANY, self.listed), TRUE
        if self.listed or name in self._named:
            return Label(name), self._algebra.equal(self.value, constant(name))
        truths = {atom: says.of(atom) for atom in self._asked}
        others = conj(*(neg(atom) for atom in self._named.values()))
        return Label(name, LIKE, tuple(sorted(self._named)), _asked_of(truths)), conj(others, _as_said(truths))


def _as_said(truths: Mapping[Term, bool | None]) -> Term:
    return conj(*(atom if true else neg(atom) for atom, true in truths.items() if true is not None))


def _asked_of(truths: Mapping[Term, bool | None]) -> tuple[Asked, ...]:
    """Conditions with their truth, those that are not known left out, as `_as_said` leaves them out."""
    return tuple(sorted((_told(atom), true) for atom, true in truths.items() if true is not None))


def _asked(question: Question) -> Iterator[Term]:
    yield from (question.possibly_allowed(side) for side in (0, 1))
    yield from (question.allowed(side) for side in (0, 1))
    yield from question.lost


def _atoms(roots: Iterable[Term]) -> dict[Term, frozenset[str]]:
    """Every condition that depends on action or type, with `*` for all other variables that it depends on."""
    found: dict[Term, frozenset[str]] = {}
    depends: dict[Term, frozenset[str]] = {}
    for term in subterms(roots):
        if term.op in _LEAVES:
            names = frozenset({term.args[0] if term.args[0] in (_ACTION, _TYPE) else "*"})
        else:
            names = frozenset().union(*(depends[arg] for arg in term.args if isinstance(arg, Term)))
        depends[term] = names
        if term.sort == BOOL and term.op not in CONNECTIVES and names & {_ACTION, _TYPE}:
            found[term] = names
    return found


def _names(atom: Term, term: Term | None) -> str | None:
    """The name that a condition says a string is; None where it says another thing."""
    if atom.op is not Op.EQUAL or term is None or atom.args[0] is not term or atom.args[1].op is not Op.CONST:
        return None
    return str(atom.args[1].args[0])


def _told(atom: Term) -> str:
    """A condition as a string that is the same in every run."""
    return json.dumps(_nested(atom), sort_keys=True)


def _nested(term: Any) -> Any:
    if not isinstance(term, Term):
        return term if isinstance(term, (str, int, bool)) else str(term)
    args = [_nested(arg) for arg in term.args]
    return [term.op.value, *(sorted(args, key=repr) if term.op in _COMMUTATIVE else args)]


def together(classes: Sequence[RequestClass], is_total: Callable[[Term], bool]) -> tuple[RequestKind, ...]:
    """Classes as they are told: where the classes of a type are all there are, it is any action, and the reverse.

    is_total: whether every request meets a condition.
    """
    if any(one.kind.both for one in classes):
        if is_total(disj(*(one.condition for one in classes))):
            first = classes[0].kind
            return (RequestKind(Label(first.action.example, ANY), Label(first.type.example, ANY)),)
        return tuple(sorted((one.kind for one in classes), key=lambda kind: repr(kind.meaning)))
    rows: list[_Row] = [((one.kind.action, one.action), (one.kind.type, one.type)) for one in classes]
    for _ in range(2):
        # Actions of each type first, then the other way round.
        rows = [(other, one) for one, other in _merged(rows, is_total)]
    kinds = [RequestKind(action, kind) for (action, _), (kind, _) in rows]
    return tuple(sorted(kinds, key=lambda kind: repr(kind.meaning)))


def _merged(rows: Sequence[_Row], is_total: Callable[[Term], bool]) -> Iterator[_Row]:
    """Rows of one second label as one, where their first labels are all that there are."""
    groups: dict[Any, list[_Row]] = {}
    for row in rows:
        groups.setdefault((row[1][0].how, repr(row[1][0].meaning)), []).append(row)
    for group in groups.values():
        labels = [one[0] for one, _ in group]
        every = disj(*(one[1] for one, _ in group))
        if len(group) > 1 and any(label.how == LIKE for label in labels) and is_total(every):
            yield (Label(labels[0].example, ANY), TRUE), group[0][1]
        else:
            yield from group
