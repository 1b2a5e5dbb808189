"""The plain statements of a plan, and the frame of locals that they work on: comparisons, assignments, lookups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from entitlements.proof.symbolic.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.documents import of_kind
from entitlements.proof.symbolic.limits import Limits
from entitlements.proof.symbolic.plan import (
    NOWHERE,
    Function,
    Local,
    Operand,
    Place,
    Statement,
)
from entitlements.proof.symbolic.terms import FALSE, TRUE, Term, both, either, negation
from entitlements.proof.symbolic.value import (
    ARRAY,
    NUMBER,
    OBJECT,
    SET,
    STRING,
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Set,
    Value,
    constant,
    merged,
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
    counted: bool


@dataclass
class Frame:
    """One call of a planned function. scans: of `Limits`, when the outermost of the loops was entered."""

    function: Function
    locals: dict[int, Value]
    errors: Errors = field(default_factory=dict)
    returns: list[tuple[Term, Value]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    scans: Mapping[str, int | None] = field(default_factory=dict)
    head: Place = NOWHERE


class Statements:
    """Runs statements that neither call, loop nor nest; each returns the condition under which the next one runs."""

    def __init__(self, data: Value, algebra: Algebra, limits: Limits) -> None:
        self._algebra = algebra
        self.limits = limits
        self.fired: dict[Place, Term] = {}
        self._base = frozenset(_base_documents(data))

    def _value(self, frame: Frame, operand: Operand) -> Value:
        if isinstance(operand, Local):
            return frame.locals.get(operand.index, UNDEFINED)
        return constant(operand)

    def _assign(self, frame: Frame, local: int, value: Value, live: Term) -> None:
        if local in frame.function.merged and live is not TRUE:
            old = frame.locals.get(local, UNDEFINED)
            value = merged([(live, value), (negation(live), old)])
        frame.locals[local] = value

    def _fail(self, frame: Frame, condition: Term, what: str, place: Place | None = None) -> None:
        if condition is not FALSE:
            key = (place or self.limits.place, what)
            frame.errors[key] = either(frame.errors.get(key, FALSE), condition)

    def _fires(self, frame: Frame, live: Term) -> None:
        """Write down that the body of a rule came to its end."""
        if frame.head.row:
            self.fired[frame.head] = either(self.fired.get(frame.head, FALSE), live)

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
            holds = both(live, guard)
            others = [both(g, holds, negation(self._algebra.same(x, leaf))) for g, x in old.cases if x is not leaf]
            self._fail(frame, either(*others), "a rule has two different values")
            fresh = both(holds, *(negation(g) for g, x in old.cases if x is not leaf))
            guards[leaf] = either(guards.get(leaf, FALSE), fresh)
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
        self._assign(frame, statement.operands["target"], of_leaf(Array(())), live)
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
        frame.locals[local] = frame.locals.get(local, UNDEFINED).where(negation(live))
        return live

    def _do_is_defined(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return both(live, frame.locals.get(statement.operands["source"], UNDEFINED).defined)

    def _do_is_undefined(self, frame: Frame, statement: Statement, live: Term) -> Term:
        if not frame.loops:
            frame.head = statement.place
        return both(live, negation(frame.locals.get(statement.operands["source"], UNDEFINED).defined))

    def _is_kind(self, frame: Frame, statement: Statement, live: Term, kind: str) -> Term:
        value = self._value(frame, statement.operands["source"])
        return both(live, either(*(guard for guard, _ in of_kind(value, kind))))

    def _do_is_array(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, ARRAY)

    def _do_is_object(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, OBJECT)

    def _do_is_set(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._is_kind(frame, statement, live, SET)

    def _do_equal(self, frame: Frame, statement: Statement, live: Term) -> Term:
        one, other = (self._value(frame, statement.operands[name]) for name in ("a", "b"))
        return both(live, self._algebra.equal(one, other))

    def _do_not_equal(self, frame: Frame, statement: Statement, live: Term) -> Term:
        one, other = (self._value(frame, statement.operands[name]) for name in ("a", "b"))
        return both(live, one.defined, other.defined, negation(self._algebra.equal(one, other)))

    def _do_dot(self, frame: Frame, statement: Statement, live: Term) -> Term:
        source, key = (self._value(frame, statement.operands[name]) for name in ("source", "key"))
        self._refuse_converted(source, key, live)
        found = self._algebra.member(source, key)
        self._assign(frame, statement.operands["target"], found, live)
        return both(live, found.defined)

    def _refuse_converted(self, source: Value, key: Value, live: Term) -> None:
        """Raise where OPA may convert the key of a base document: `data.m[2]` is `data.m["2"]`, `data.xs["1"]`
        `data.xs[1]`.

        It does so in references into `data`, not in those into a local variable, which the plan does not tell apart.
        """
        for guard, leaf in source.cases:
            for condition, name in key.cases if leaf in self._base else ():
                if _converts(leaf, name) and both(live, guard, condition) is not FALSE:
                    raise Unsupported(
                        "key_converted", f"`{self.limits.place}`: OPA may convert this key of a base document"
                    )

    def _do_len(self, frame: Frame, statement: Statement, live: Term) -> Term:
        source = self._value(frame, statement.operands["source"])
        sizes = [
            (g, scalar(NUMBER, self._algebra.size(c))) for g, c in source.cases if isinstance(c, (Array, Set, Object))
        ]
        found = merged((guard, of_leaf(size)) for guard, size in sizes)
        self._assign(frame, statement.operands["target"], found, live)
        return both(live, found.defined)


def _base_documents(data: Value) -> Iterator[Leaf]:
    """The objects and lists that a document holds, itself too."""
    for _, leaf in data.cases:
        if isinstance(leaf, Object):
            yield leaf
            for _, _, member in leaf.members:
                yield from _base_documents(member)
        elif isinstance(leaf, Array):
            yield leaf
            for _, element in leaf.elements:
                yield from _base_documents(element)


_INDEX = re.compile(r"[+-]?[0-9]+")


def _converts(leaf: Leaf, key: Leaf) -> bool:
    """Whether a key of another type may find a member of an object or an element of a list when it is converted."""
    if isinstance(leaf, Object) and key.kind == NUMBER:
        if isinstance(key, Const):
            return isinstance(key.value, int) and Const(str(key.value)) in leaf.index
        return any(isinstance(name, Const) and str(name.value)[:1] in "0123456789-+" for _, name, _ in leaf.members)
    if isinstance(leaf, Array) and leaf.elements and key.kind == STRING:
        return not isinstance(key, Const) or _INDEX.fullmatch(key.value) is not None
    return False


def _number(written: str) -> Value:
    """A number as it is written: a whole one in digits, or one whose spelling may be printed."""
    try:
        return constant(int(written))
    except ValueError:
        return constant(Fraction(written))
