"""The symbolic execution of a plan: what the decision is, for all inputs at once; on constants, an interpreter of it.

Each block has one live condition: undefined strengthens it, a negation turns it, a scan is unrolled. Assumes: a plan of
`plan.py`. Guarantees: under every assignment the value is OPA's, `errors` say where OPA may fail, and whatever is known
less is in `Limits` (docs/proof-bounds.md).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from entitlements.proof.symbolic.execution.bound_keys import refuse_pattern
from entitlements.proof.symbolic.execution.collections import Collections
from entitlements.proof.symbolic.execution.loops import loop_over
from entitlements.proof.symbolic.execution.plan import (
    GROWING,
    Block,
    Function,
    Local,
    Plan,
    Statement,
    each_statement,
    is_read,
    place_of,
)
from entitlements.proof.symbolic.execution.statements import Errors, Frame, Loop
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import (
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Scalar,
    Set,
    Value,
    constant,
    joined,
    of_leaf,
)

_RETURNED = 1 << 30
_MOST_CALLS = 200_000
Apply = Callable[[str, Sequence[Value], Term], tuple[Value, Mapping[str, Term]]]
"""A built-in: name, arguments and the condition under which it is called; its result, and when it fails and why."""


class Executor(Collections):
    """Runs one plan. builtins: how built-ins are applied; data: the base documents."""

    def __init__(self, plan: Plan, data: Value, builtins: Apply, algebra: Algebra, limits: Limits) -> None:
        super().__init__(plan.functions, data, algebra, limits)
        self._plan = plan
        self._builtins = builtins
        self._known: dict[tuple[str, tuple[Value, ...]], tuple[Value, Errors]] = {}
        self._simpler: dict[tuple[Value, Term], Value] = {}
        self._calls = 0
        self._rounds = itertools.count()
        self._statements: dict[str, Callable[[Frame, Statement, Term], Term]] = {
            name.removeprefix("_do_").replace("_", ""): getattr(self, name) for name in dir(self) if name[:4] == "_do_"
        }

    def decision(self, document: Value) -> tuple[Value, Errors]:
        """The result set's value for an input, and under which conditions which built-in or rule fails where."""
        return self._call(self._plan.entry, (document, self._data))

    def rules(self, document: Value) -> list[tuple[tuple[str, ...], Place, Value]]:
        """The rules that were evaluated for an input, as it is: path below `data`, place, value; inner ones first."""
        found = []
        for (name, arguments), (value, _) in self._known.items():
            function = self._plan.functions.get(name)
            if function and function.path and arguments == (document, self._data):
                found.append((function.path[1:], place_of(function), value))
        return found

    def _call(self, function: Function, arguments: Sequence[Value]) -> tuple[Value, Errors]:
        key = (function.name, tuple(arguments))
        if key not in self._known:
            self._calls += 1
            if self._calls > _MOST_CALLS:
                raise Unsupported("policy_too_large", f"`{self.limits.place}`: the policy calls too many functions")
            frame = Frame(function, dict(zip(function.parameters, arguments, strict=True)))
            alive = TRUE
            for block in function.blocks:
                _, out = self._block(frame, block, alive)
                alive = conj(alive, neg(disj(*out.values())))
                if alive is FALSE:
                    break
            self._known[key] = (joined(frame.returns), frame.errors)
        return self._known[key]

    def _block(self, frame: Frame, block: Block, live: Term) -> tuple[Term, dict[int, Term]]:
        """Run a block: the condition under which its end is reached, and those of jumps to blocks outside of it."""
        out: dict[int, Term] = {}
        for statement in block:
            if live is FALSE:
                break
            self.limits.place = statement.place
            if time.monotonic() > self.limits.until:
                raise Unsupported("policy_too_large", f"`{statement.place}`: the policy takes too long to follow")
            if statement.kind == "Break":
                _leave(out, statement.operands["index"], live)
                live = FALSE
            elif statement.kind == "ReturnLocal":
                value = frame.locals.get(statement.operands["source"], UNDEFINED)
                frame.returns.append((live, value))
                _leave(out, _RETURNED, live)
                live = FALSE
            elif statement.kind == "Block":
                live = self._blocks(frame, statement, live, out)
            else:
                live = self._statements[statement.kind.lower()](frame, statement, live)
        return live, {level: condition for level, condition in out.items() if level > 0}

    def _blocks(self, frame: Frame, statement: Statement, live: Term, out: dict[int, Term]) -> Term:
        """Blocks one after the other; a jump to the enclosing block (or further) skips the rest."""
        for block in statement.blocks:
            _, left = self._block(frame, block, live)
            for level, condition in left.items():
                if level > 1:
                    _leave(out, level if level == _RETURNED else level - 1, condition)
                live = conj(live, neg(condition))
            if live is FALSE:
                break
        return live

    def _closed(self, frame: Frame, block: Block, live: Term) -> Term:
        """Run a block that nothing jumps out of."""
        end, out = self._block(frame, block, live)
        if out:
            raise Unsupported("plan_unknown", f"`{self.limits.place}`: the plan jumps out of a loop or a negation")
        return end

    def _do_not(self, frame: Frame, statement: Statement, live: Term) -> Term:
        with self.limits.apart():
            end = self._closed(frame, statement.blocks[0], live)
        return conj(live, neg(end))

    def _do_call(self, frame: Frame, statement: Statement, live: Term) -> Term:
        arguments = [self._under(self._value(frame, one), live) for one in statement.operands["args"]]
        name = statement.operands["func"]
        function = self._plan.functions.get(name)
        if function is None:
            found = self._apply(frame, name, arguments, live)
        else:
            found = self._planned(frame, function, arguments, live)
        self._assign(frame, statement.operands["result"], found, live)
        return conj(live, found.defined)

    def _under(self, value: Value, live: Term) -> Value:
        """A value as it is where `live` holds, without the conditions that then hold anyway."""
        if live is TRUE or all(guard is TRUE and isinstance(leaf, (Const, Scalar)) for guard, leaf in value.cases):
            return value
        key = value, live
        if key not in self._simpler:
            cases = tuple((_implied(live, guard), _leaf_under(leaf, live)) for guard, leaf in value.cases)
            self._simpler[key] = Value(cases)
        return self._simpler[key]

    def _planned(self, frame: Frame, function: Function, arguments: Sequence[Value], live: Term) -> Value:
        place = self.limits.place
        with self.limits.apart():
            found, errors = self._call(function, arguments)
        self.limits.place = place
        for (where, what), condition in errors.items():
            self._fail(frame, conj(live, condition), what, where)
        return found

    def _do_call_dynamic(self, frame: Frame, statement: Statement, live: Term) -> Term:
        path = [self._value(frame, one) for one in statement.operands["path"]]
        arguments = [self._value(frame, one) for one in statement.operands["args"]]
        parts = []
        for function in self._plan.functions.values():
            if len(function.path) != len(path) or len(function.parameters) != len(arguments):
                continue
            named = [self._algebra.equal(v, constant(name)) for v, name in zip(path, function.path, strict=True)]
            condition = conj(live, *named)
            if condition is not FALSE:
                parts.append((condition, self._planned(frame, function, arguments, condition)))
        found = joined(parts)
        self._assign(frame, statement.operands["result"], found, live)
        return conj(live, found.defined)

    def _apply(self, frame: Frame, name: str, arguments: Sequence[Value], live: Term) -> Value:
        found, errors = self._builtins(name, arguments, live)
        for what, condition in errors.items():
            self._fail(frame, conj(live, condition), what)
        return found

    def _do_scan(self, frame: Frame, statement: Statement, live: Term) -> Term:
        key, value = statement.operands["key"], statement.operands["value"]
        source = frame.locals.get(statement.operands["source"], UNDEFINED)
        uses_key = is_read(statement.blocks[0], key)
        if self._is_of_rule(frame, Local(statement.operands["source"])):
            refuse_pattern(self.limits.place, statement, source)
        for guard, leaf in source.cases:
            holds = conj(live, guard)
            if holds is FALSE or not isinstance(leaf, (Array, Set, Object)):
                continue
            loop = loop_over(self._algebra, self.limits, leaf, uses_key=uses_key)
            with self._looping(frame, statement, loop):
                for condition, at, element in loop.rounds:
                    inside = conj(holds, condition, element.defined)
                    if inside is not FALSE:
                        frame.locals[key], frame.locals[value] = at, element
                        frame.rounds[-1] = next(self._rounds)
                        self._closed(frame, statement.blocks[0], inside)
        return live

    @contextmanager
    def _looping(self, frame: Frame, statement: Statement, loop: Loop) -> Iterator[None]:
        """Within the rounds of a scan. One that fills a collection stands on its own: a comprehension, a partial
        rule."""
        leaf = loop.leaf
        # `every` is planned as a condition that is undefined after its rounds: what it reads may count for each one.
        every = any(one.kind == "IsUndefined" for one in each_statement(statement.blocks[0]))
        collects = any(one.kind in GROWING for one in each_statement(statement.blocks[0]))
        if not frame.loops:
            frame.scans = dict(self.limits.scans)
        frame.loops.append(loop)
        frame.rounds.append(next(self._rounds))
        with self.limits.apart() if collects else nullcontext():
            for source_list in sorted(leaf.truncated):
                self.limits.scanned(source_list, id(statement), leaf.truncated[source_list])
            with self.limits.within(every=every) if leaf.truncated else nullcontext():
                yield
        frame.loops.pop()
        frame.rounds.pop()

    def _do_with(self, frame: Frame, statement: Statement, live: Term) -> Term:
        local, path = statement.operands["local"], statement.operands["path"]
        kept = frame.locals.get(local, UNDEFINED)
        value = self._value(frame, statement.operands["value"])
        frame.locals[local] = self._upserted(kept, path, value) if path else value
        end = self._closed(frame, statement.blocks[0], live)
        frame.locals[local] = kept
        return end

    def _upserted(self, document: Value, path: Sequence[str], value: Value) -> Value:
        if not path:
            return value
        parts: list[tuple[Term, Value]] = [(neg(document.defined), of_leaf(self._with_member(Object(()), path, value)))]
        for guard, leaf in document.cases:
            if not isinstance(leaf, Object):
                raise Unsupported("with_in_a_scalar", f"`{self.limits.place}`: `with` may replace a part of no object")
            parts.append((guard, of_leaf(self._with_member(leaf, path, value))))
        return joined(parts)

    def _with_member(self, leaf: Object, path: Sequence[str], value: Value) -> Object:
        name = Const(path[0])
        old = joined(self._algebra.object_lookup(leaf, name))
        return self._inserted(leaf, TRUE, name, self._upserted(old, path[1:], value))

    def _do_result_set_add(self, frame: Frame, statement: Statement, live: Term) -> Term:
        frame.returns.append((live, frame.locals.get(statement.operands["value"], UNDEFINED)))
        return live


def _leave(out: dict[int, Term], level: int, live: Term) -> None:
    out[level] = disj(out.get(level, FALSE), live)


def _implied(live: Term, guard: Term) -> Term:
    return TRUE if guard is TRUE or conj(live, guard) is live else guard


def _leaf_under(leaf: Leaf, live: Term) -> Leaf:
    if isinstance(leaf, (Array, Set)):
        elements = tuple((_implied(live, guard), element) for guard, element in leaf.elements)
        return leaf if elements == leaf.elements else replace(leaf, elements=elements)
    if isinstance(leaf, Object):
        members = tuple((_implied(live, guard), key, member) for guard, key, member in leaf.members)
        return leaf if members == leaf.members else replace(leaf, members=members)
    return leaf
