"""One assignment of the variables: what terms then are, and the documents that symbolic values then represent.

Assumes: a model of the query. Guarantees: documents under that model; `exact` only where they say what the model
says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, assert_never

from entitlements.model import same_json
from entitlements.proof.migration import ABSENT
from entitlements.proof.symbolic.smt.encoder import Query, read_value
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import PARTS, PREDICATES
from entitlements.proof.symbolic.terms.term import BOOL, CALCULATED, INT, STRING_SORT, Term
from entitlements.proof.symbolic.terms.timestamps import rendered
from entitlements.proof.symbolic.values.value import Array, Const, Leaf, Object, Scalar, Value


class NotKnown(Exception):
    """A term depends on what no assignment says: an uninterpreted function, or a string that could not be found."""


class Assignment:
    """Values of variables and choices. decide: predicates of constant strings; default: the value of an unnamed
    variable; pick: which of so many values an unnamed choice has."""

    def __init__(
        self,
        variables: Mapping[str, Any],
        choices: Mapping[str, int],
        decide: Callable[[str, str, str], bool],
        default: Callable[[Term], Any],
        pick: Callable[[int], int] = lambda _size: 0,
    ) -> None:
        self._variables = dict(variables)
        self._choices = dict(choices)
        self._decide = decide
        self._default = default
        self._pick = pick
        self._known: dict[Term, Any] = {}
        self.exact = True
        """Whether every number of the documents has an exact decimal form."""
        self.surely = True
        """Whether all that the solver guessed is known to be so."""
        self.whole = True
        """Whether documents of truncated lists are as long as the lists, or hold what was looked at."""

    @staticmethod
    def present(document: Any) -> bool:
        """Whether there is a document at all."""
        return document is not ABSENT

    def of(self, term: Term) -> Any:
        """What a term is. Raises NotKnown."""
        if term not in self._known:
            stack = [term]
            while stack:
                top = stack[-1]
                open_arguments = [a for a in self._needed(top) if a not in self._known]
                if open_arguments:
                    stack += open_arguments
                else:
                    stack.pop()
                    self._known[top] = self._evaluated(top)
        found = self._known[term]
        if found is NotKnown:
            raise NotKnown
        return found

    def _needed(self, term: Term) -> Iterator[Term]:
        """The arguments that a term depends on: of a conditional the condition, and what it chooses."""
        if term.op is not Op.IF:
            yield from (arg for arg in term.args if isinstance(arg, Term))
            return
        condition, one, other = term.args
        yield condition
        if (chosen := self._known.get(condition, NotKnown)) is not NotKnown:
            yield one if chosen else other

    def _evaluated(self, term: Term) -> Any:
        op, args = term.op, term.args
        if op is Op.CONST:
            return args[0]
        if op is Op.VAR:
            if args[0] not in self._variables:
                self._variables[args[0]] = self._default(term)
            return self._variables[args[0]]
        if op is Op.CHOICE:
            if args[0] not in self._choices:
                self._choices[args[0]] = self._pick(args[2])
            return self._choices[args[0]] == args[1]
        values = [self._known[a] for a in self._needed(term)]
        if op is Op.AND or op is Op.OR:
            return _junction(op, values)
        if op is Op.IF:
            return values[-1]
        if op is Op.APPLY or any(value is NotKnown for value in values):
            return NotKnown
        return self._calculated(op, args, values)

    def _calculated(  # noqa: PLR0911, PLR0912 - one case an operator
        self, op: Op, args: Sequence[Any], values: Sequence[Any]
    ) -> Any:
        match op:
            case Op.CONST | Op.VAR | Op.CHOICE | Op.AND | Op.OR | Op.IF | Op.APPLY:
                raise AssertionError(f"`{op}` is not calculated")
            case Op.NOT:
                return not values[0]
            case Op.EQUAL:
                return values[0] == values[1]
            case Op.LESS:
                return values[0] < values[1]
            case Op.AT_MOST:
                return values[0] <= values[1]
            case Op.PLUS | Op.MINUS | Op.TIMES | Op.REMAINDER | Op.QUOTIENT:
                return CALCULATED[op](*values)
            case Op.COUNT:
                return sum(values)
            case Op.IS_WHOLE:
                return Fraction(values[0]).denominator == 1
            case Op.CONCAT:
                return "".join(values)
            case Op.LENGTH:
                return len(values[0])
            case Op.DIGITS:
                return str(int(values[0]))
            case Op.TIMESTAMP:
                return rendered(args[0], values[0])
            case Op.PART:
                found = PARTS[args[0]](values[0], args[1])
                return NotKnown if found is None else found
            case Op.ON_STRINGS:
                return PREDICATES[args[0]](values[1], values[0])
            case Op.ON_STRING:
                known = PREDICATES.get(args[0])
                return known(values[0], args[1]) if known else self._decide(args[0], args[1], values[0])
        assert_never(op)

    def document(self, value: Value) -> Any:
        """The JSON document that a value represents; ABSENT where it is undefined. Raises NotKnown."""
        for guard, leaf in value.cases:
            if self.of(guard):
                return self._leaf(leaf)
        return ABSENT

    def short(self, value: Value) -> Any:
        """The document with the elements of truncated lists that are looked at alone. Raises NotKnown."""
        self.whole = False
        try:
            return self.document(value)
        finally:
            self.whole = True

    def _leaf(self, leaf: Leaf) -> Any:
        if isinstance(leaf, Const):
            return self._plain(leaf.value)
        if isinstance(leaf, Scalar):
            return self._plain(self.of(leaf.term))
        if isinstance(leaf, Object):
            members = {}
            for guard, key, member in leaf.members:
                document = self.document(member) if self.of(guard) else ABSENT
                if document is not ABSENT:
                    members[str(self._leaf(key))] = document
            if leaf.rest is not None:
                members |= self._opened(leaf)
            return members
        found = [self.document(element) for guard, element in leaf.elements if self.of(guard)]
        if isinstance(leaf, Array):
            again = sum(self.of(more) for more in leaf.repeats or ())
            if leaf.more is not None and leaf.more.repeat and self.whole:
                again += self.of(leaf.more.number)
            return found + found[:1] * again
        return sorted(_distinct(found), key=repr)

    def _plain(self, value: Any) -> Any:
        """A number in the form that JSON has for it."""
        if not isinstance(value, Fraction):
            return value
        if value.denominator == 1:
            return int(value)
        self.exact = self.exact and Fraction(str(float(value))) == value
        return float(value)

    def _opened(self, leaf: Object) -> dict[str, Any]:
        """The members of an open object that someone has looked at."""
        known = leaf.rest.known if leaf.rest is not None else {}
        found = {name: self.document(value) for name, value in known.items()}
        return {name: document for name, document in found.items() if document is not ABSENT}


def _distinct(documents: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for document in documents:
        if not any(same_json(document, other) for other in found):
            found.append(document)
    return found


def _junction(op: Op, values: Iterable[Any]) -> Any:
    stops = op is Op.OR
    unknown = False
    for value in values:
        if value is NotKnown:
            unknown = True
        elif value == stops:
            return stops
    return NotKnown if unknown else not stops


def of_model(
    query: Query,
    model: Mapping[str, str],
    text_of: Callable[[Mapping[str, int]], Mapping[str, str]],
    decide: Callable[[str, str, str], bool],
    default: Callable[[Term], Any],
) -> Assignment:
    """The assignment of a solver's model. text_of: finds strings for the variables that stand as numbers.

    Raises NotKnown where the solver guessed wrongly what a predicate says of a string.
    """
    variables: dict[str, Any] = {}
    choices: dict[str, int] = {}
    coded: dict[str, int] = {}
    listed: dict[str, set[int]] = {}
    sizes: dict[str, int] = {}
    for symbol, term in query.symbols.items():
        if term.op is Op.CHOICE:
            name, index, sizes[term.args[0]] = term.args
            listed.setdefault(name, set()).add(index)
            if model.get(symbol) == "true":
                choices[name] = index
        elif symbol in model:
            value = read_value(term, model[symbol], query)
            if term.args[0] in query.coded:
                coded[term.args[0]] = value
            else:
                variables[term.args[0]] = value
        elif term.args[0] in query.coded:
            coded[term.args[0]] = len(query.codes)
    for name, known in listed.items():
        # None of the values that the question names: any other.
        if name not in choices:
            choices[name] = next((i for i in range(sizes[name]) if i not in known), 0)
    variables |= text_of(coded)
    assignment = Assignment(variables, choices, decide, default)
    if not _as_assumed(query, assignment):
        raise NotKnown
    return assignment


def _as_assumed(query: Query, assignment: Assignment) -> bool:
    """Whether what the solver guessed of a string is so."""
    try:
        return all(assignment.of(goal) for goal in query.assumed)
    except NotKnown:
        assignment.surely = False
        return True


class Chance:
    """Random assignments, for comparing a symbolic execution with OPA. strings, numbers: constants that policies
    compare with; within: the numbers that a variable has, where it may not have every one.
    """

    def __init__(
        self,
        seed: int,
        strings: Sequence[str],
        numbers: Sequence[Any],
        within: Callable[[Term], Sequence[int]] = lambda _term: (),
    ) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - reproducible, no secrets
        self._strings = [*strings, "some text", "t_1"]
        self._numbers = sorted({*numbers, 0, 1, -1})
        self._within = within

    def assignment(self, choices: Mapping[str, int], decide: Callable[[str, str, str], bool]) -> Assignment:
        """One of them. choices: how many values each choice has; others, on which nothing seems to depend, are drawn
        when a document needs them."""
        chosen = {name: self._chance.randrange(size) for name, size in choices.items()}
        return Assignment({}, chosen, decide, self._value, self._chance.randrange)

    def _value(self, term: Term) -> Any:
        if within := self._within(term):
            return self._chance.choice(within)
        if term.sort == BOOL:
            return self._chance.random() < 0.5
        if term.sort == STRING_SORT:
            return self._chance.choice(self._strings)
        number = self._chance.choice(self._numbers) + self._chance.choice((0, 0, 1, -1))
        return int(number) if term.sort == INT else Fraction(number)
