"""The plain statements of a plan, and the frame of locals that they work on: comparisons, assignments, lookups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from entitlements.engine.spelling import read_decimal, read_integer
from entitlements.proof.symbolic.execution.bound_keys import iterating, refuse_bound, rule_locals
from entitlements.proof.symbolic.execution.plan import Function, Local, Operand, Statement
from entitlements.proof.symbolic.execution.references import SURELY, converted_member, reference_locals
from entitlements.proof.symbolic.execution.rule_index import asked_of_collections
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.concrete import of_kind
from entitlements.proof.symbolic.values.place import NOWHERE, Place
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import (
    ARRAY,
    NUMBER,
    OBJECT,
    SET,
    UNDEFINED,
    Array,
    Object,
    Set,
    Value,
    constant,
    joined,
    of_leaf,
    scalar,
)

Errors = dict[tuple[Place, str], Term]


@dataclass(frozen=True)
class Loop:
    """A collection that is being scanned: its rounds, and whether their order and their number are known."""

    leaf: Array | Set | Object
    rounds: Sequence[tuple[Term, Value, Value]]
    ordered: bool
    known_multiplicity: bool


@dataclass
class Frame:
    """One call of a planned function. scans: of `Limits`, when the outermost of the loops was entered; rounds: of each
    loop the round that is under way, by a number of its own; made: the rounds in which a list was made.
    """

    function: Function
    locals: dict[int, Value]
    errors: Errors = field(default_factory=dict)
    returns: list[tuple[Term, Value]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    made: dict[Array, tuple[int, ...]] = field(default_factory=dict)
    scans: Mapping[str, int | None] = field(default_factory=dict)
    head: Place = NOWHERE


class Statements:
    """Runs statements that neither call, loop nor nest; each returns the condition under which the next one runs."""

    def __init__(self, functions: Mapping[str, Function], data: Value, algebra: Algebra, limits: Limits) -> None:
        self._algebra = algebra
        self.limits = limits
        self.fired: dict[Place, Term] = {}
        self._data = data
        self._iterating = iterating(functions)
        self._of_rules: dict[str, frozenset[int]] = {}
        self._of_index: dict[str, frozenset[int]] = {}
        self._references: dict[str, Mapping[int, str]] = {}

    def _value(self, frame: Frame, operand: Operand) -> Value:
        if isinstance(operand, Local):
            return frame.locals.get(operand.index, UNDEFINED)
        return constant(operand)

    def _assign(self, frame: Frame, local: int, value: Value, live: Term) -> None:
        if local in frame.function.joined and live is not TRUE:
            old = frame.locals.get(local, UNDEFINED)
            value = joined([(live, value), (neg(live), old)])
        frame.locals[local] = value

    def _fail(self, frame: Frame, condition: Term, what: str, place: Place | None = None) -> None:
        if condition is not FALSE:
            key = (place or self.limits.place, what)
            frame.errors[key] = disj(frame.errors.get(key, FALSE), condition)

    def _fires(self, frame: Frame, live: Term) -> None:
        """Write down that the body of a rule came to its end."""
        if frame.head.row:
            self.fired[frame.head] = disj(self.fired.get(frame.head, FALSE), live)

    # Statements: each returns the condition under which the next one runs.

    def _do_nop(self, _frame: Frame, _statement: Statement, live: Term) -> Term:
        return live

    def _do_assign_var(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], self._value(frame, statement.operands["source"]), live)
        return live

    def _do_assign_var_once(self, frame: Frame, statement: Statement, live: Term) -> Term:
        local, new = statement.operands["target"], self._value(frame, statement.operands["source"])
        old = frame.locals.get(local, UNDEFINED)
        self._fires(frame, live)
        guards = {leaf: guard for guard, leaf in old.cases}
        for guard, leaf in new.cases:
            holds = conj(live, guard)
            others = [conj(g, holds, neg(self._algebra.same(x, leaf))) for g, x in old.cases if x is not leaf]
            self._fail(frame, disj(*others), "a rule has two different values")
            fresh = conj(holds, *(neg(g) for g, x in old.cases if x is not leaf))
            guards[leaf] = disj(guards.get(leaf, FALSE), fresh)
        frame.locals[local] = Value(tuple((guard, leaf) for leaf, guard in guards.items() if guard is not FALSE))
        return live

    def _do_assign_int(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], constant(statement.operands["value"]), live)
        return live

    _do_make_number_int = _do_assign_int

    def _do_make_number_ref(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], _number(statement.operands["text"]), live)
        return live

    def _do_make_null(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], constant(None), live)
        return live

    def _do_make_array(self, frame: Frame, statement: Statement, live: Term) -> Term:
        empty = Array(())
        frame.made[empty] = tuple(frame.rounds)
        self._assign(frame, statement.operands["target"], of_leaf(empty), live)
        return live

    def _do_make_set(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], of_leaf(Set(())), live)
        return live

    def _do_make_object(self, frame: Frame, statement: Statement, live: Term) -> Term:
        self._assign(frame, statement.operands["target"], of_leaf(Object(())), live)
        return live

    def _do_reset_local(self, frame: Frame, statement: Statement, live: Term) -> Term:
        local = statement.operands["target"]
        if not frame.loops:
            frame.head = statement.place
        frame.locals[local] = frame.locals.get(local, UNDEFINED).where(neg(live))
        return live

    def _do_is_defined(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return conj(live, frame.locals.get(statement.operands["source"], UNDEFINED).defined)

    def _do_is_undefined(self, frame: Frame, statement: Statement, live: Term) -> Term:
        if not frame.loops:
            frame.head = statement.place
        return conj(live, neg(frame.locals.get(statement.operands["source"], UNDEFINED).defined))

    def _is_kind(self, frame: Frame, statement: Statement, live: Term, kind: str) -> Term:
        value = self._value(frame, statement.operands["source"])
        return conj(live, disj(*(guard for guard, _ in of_kind(value, kind))))

    def _do_is_array(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, ARRAY)

    def _do_is_object(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, OBJECT)

    def _do_is_set(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, SET)

    def _do_equal(self, frame: Frame, statement: Statement, live: Term) -> Term:
        one, other = (self._value(frame, statement.operands[name]) for name in ("a", "b"))
        return conj(live, self._algebra.equal(one, other))

    def _do_not_equal(self, frame: Frame, statement: Statement, live: Term) -> Term:
        one, other = (self._value(frame, statement.operands[name]) for name in ("a", "b"))
        return conj(live, one.defined, other.defined, neg(self._algebra.equal(one, other)))

    def _do_dot(self, frame: Frame, statement: Statement, live: Term) -> Term:
        source, key = (self._value(frame, statement.operands[name]) for name in ("source", "key"))
        found = self._algebra.member(source, key)
        if reference := self._reference(frame, statement.operands["source"]):
            known = reference == SURELY and frame.locals.get(frame.function.parameters[1]) is self._data
            known = known and statement.operands["target"] not in self._indexed(frame.function)
            converted = converted_member(self.limits.place, source, key, live, known=known)
            found = joined([(TRUE, found), (TRUE, converted)])
        elif self._is_of_rule(frame, statement.operands["source"]):
            refuse_bound(self.limits.place, source, key, live)
        self._assign(frame, statement.operands["target"], found, live)
        return conj(live, found.defined)

    def _reference(self, frame: Frame, source: Operand) -> str:
        """Whether a look-up in a local is a step of a reference into `data`."""
        name = frame.function.name
        if name not in self._references:
            self._references[name] = reference_locals(frame.function)
        return self._references[name].get(source.index, "") if isinstance(source, Local) else ""

    def _indexed(self, function: Function) -> frozenset[int]:
        if function.name not in self._of_index:
            self._of_index[function.name] = asked_of_collections(function)
        return self._of_index[function.name]

    def _is_of_rule(self, frame: Frame, source: Operand) -> bool:
        """Whether a local holds what a reference into a rule has come to that goes through base documents by key."""
        name = frame.function.name
        if name not in self._of_rules:
            self._of_rules[name] = rule_locals(frame.function, self._iterating)
        return isinstance(source, Local) and source.index in self._of_rules[name]

    def _do_len(self, frame: Frame, statement: Statement, live: Term) -> Term:
        source = self._value(frame, statement.operands["source"])
        sizes = [
            (g, scalar(NUMBER, self._algebra.size(c))) for g, c in source.cases if isinstance(c, (Array, Set, Object))
        ]
        found = joined((guard, of_leaf(size)) for guard, size in sizes)
        self._assign(frame, statement.operands["target"], found, live)
        return conj(live, found.defined)


def _number(written: str) -> Value:
    """A number as it is written: a whole one in digits, or one whose spelling may be printed."""
    return constant(read_integer(written) if written.lstrip("-").isdigit() else read_decimal(written))
