"""Statements that fill lists, sets and objects. Values never change: a collection grows by making a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from entitlements.proof.symbolic.execution.plan import (
    Statement,
)
from entitlements.proof.symbolic.execution.statements import Frame, Loop, Statements
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.truncation import WHOLE, Truncation, of_either
from entitlements.proof.symbolic.values.value import (
    UNDEFINED,
    Array,
    Leaf,
    Object,
    Set,
    Value,
    joined,
    of_leaf,
)


class Collections(Statements):
    """Runs the statements that add to a collection or merge two."""

    # Collections grow by making new ones: values never change.

    def _cut(self, frame: Frame) -> Truncation:
        """What an element depends on that is added here: all that was read since the outermost loop was entered."""
        if not any(loop.leaf.truncated for loop in frame.loops):
            return WHOLE
        found: dict[str, int | None] = {}
        for source_list, now in self.limits.scans.items():
            known = frame.scans.get(source_list, 0)
            found[source_list] = None if now is None or known is None else now - known
        return {source_list: elements for source_list, elements in found.items() if elements != 0}

    def _do_array_append(self, frame: Frame, statement: Statement, live: Term) -> Term:
        value = self._value(frame, statement.operands["value"])
        array = frame.locals.get(statement.operands["array"], UNDEFINED)
        parts: list[tuple[Term, Leaf]] = []
        for guard, leaf in array.cases:
            if not isinstance(leaf, Array):
                # What the local held elsewhere: here it is a list.
                parts.append((guard, leaf))
                continue
            loops = _filling(frame, leaf)
            # What is made and filled in one round is whole: its elements are what the round looks at.
            cut = self._cut(frame) if loops else WHOLE
            source_list = next((one for loop in loops if (one := _unordered(loop.leaf))), "")
            last = leaf.elements[-1][0] if leaf.elements else TRUE
            grown = Array(
                (*leaf.elements, (live, value)),
                prefix=leaf.prefix and conj(live, last) is live,
                ordered=leaf.ordered and all(loop.ordered for loop in loops),
                known_multiplicity=leaf.known_multiplicity and all(loop.known_multiplicity for loop in loops),
                source_list=leaf.source_list or source_list,
                truncated=of_either(leaf.truncated, cut),
            )
            if leaf in frame.made:
                frame.made[grown] = frame.made[leaf]
            parts.append((guard, grown))
        frame.locals[statement.operands["array"]] = Value(tuple(parts))
        return live

    def _do_set_add(self, frame: Frame, statement: Statement, live: Term) -> Term:
        local = statement.operands["set"]
        value = self._value(frame, statement.operands["value"])
        cut = self._cut(frame)
        self._fires(frame, live)
        parts: list[tuple[Term, Leaf]] = []
        for guard, leaf in frame.locals.get(local, UNDEFINED).cases:
            if not isinstance(leaf, Set):
                parts.append((guard, leaf))
                continue
            known = {element: condition for condition, element in leaf.elements}
            for condition, one in value.cases:
                element = of_leaf(one)
                known[element] = disj(known.get(element, FALSE), conj(live, condition))
            elements = tuple((c, e) for e, c in known.items() if c is not FALSE)
            parts.append((guard, Set(elements, of_either(leaf.truncated, cut))))
        frame.locals[local] = Value(tuple(parts))
        return live

    def _do_object_insert(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._insert(frame, statement, live, once=False)

    def _do_object_insert_once(self, frame: Frame, statement: Statement, live: Term) -> Term:
        return self._insert(frame, statement, live, once=True)

    def _insert(self, frame: Frame, statement: Statement, live: Term, *, once: bool) -> Term:
        key, value = (self._value(frame, statement.operands[name]) for name in ("key", "value"))
        local = statement.operands["object"]
        self._fires(frame, live)
        parts: list[tuple[Term, Leaf]] = []
        for guard, leaf in frame.locals.get(local, UNDEFINED).cases:
            if not isinstance(leaf, Object):
                parts.append((guard, leaf))
                continue
            grown = leaf
            for condition, name in key.cases:
                holds = conj(live, condition)
                if once:
                    old = joined(self._algebra.object_lookup(leaf, name))
                    differs = conj(holds, old.defined, neg(self._algebra.equal(old, value)))
                    self._fail(frame, differs, "an object has two different values for a key")
                grown = self._inserted(grown, holds, name, value)
            cut = self._cut(frame)
            parts.append((guard, replace(grown, truncated=of_either(grown.truncated, cut))))
        frame.locals[local] = Value(tuple(parts))
        return live

    def _inserted(self, leaf: Object, holds: Term, key: Leaf, value: Value) -> Object:
        members: list[tuple[Term, Leaf, Value]] = []
        placed = False
        for guard, name, member in leaf.members:
            hit = self._algebra.same(key, name)
            if hit is TRUE:
                both_ways = joined([(holds, value), (conj(guard, neg(holds)), member)])
                members.append((disj(holds, guard), name, both_ways))
                placed = True
            else:
                members.append((conj(guard, neg(conj(holds, hit))), name, member))
        if not placed:
            members.append((holds, key, value))
        rest = leaf.rest
        if rest is not None and holds is not TRUE and not placed:
            raise Unsupported("open_object_changed", f"`{self.limits.place}`: an open object is changed conditionally")
        return Object(tuple(members), rest, leaf.truncated)

    def _do_object_merge(self, frame: Frame, statement: Statement, live: Term) -> Term:
        one, other = (frame.locals.get(statement.operands[name], UNDEFINED) for name in ("a", "b"))
        parts = [
            (conj(g, h), of_leaf(self._merge(x, y)))
            for g, x in one.cases
            for h, y in other.cases
            if conj(g, h) is not FALSE
        ]
        found = joined(parts)
        self._assign(frame, statement.operands["target"], found, live)
        return conj(live, found.defined)

    def _merge(self, one: Leaf, other: Leaf) -> Leaf:
        if not (isinstance(one, Object) and isinstance(other, Object)) or one.rest or other.rest:
            raise Unsupported("documents_merged", f"`{self.limits.place}`: base and virtual documents are mixed here")
        joined_object = replace(one, truncated=of_either(one.truncated, other.truncated))
        for guard, key, member in other.members:
            old = joined(self._algebra.object_lookup(one, key))
            parts = [(neg(old.defined), member)]
            parts += [(conj(g, h), of_leaf(self._merge(x, y))) for g, x in old.cases for h, y in member.cases]
            joined_object = self._inserted(joined_object, guard, key, joined(parts))
        return joined_object


def _filling(frame: Frame, leaf: Array) -> Sequence[Loop]:
    """The loops of which more than the round under way may add to a list: not those in whose round it was made."""
    made = frame.made.get(leaf, ())
    return frame.loops[len(made) :] if tuple(frame.rounds[: len(made)]) == made else frame.loops


def _unordered(leaf: Array | Set | Object) -> str:
    """The list that stands as a set of members, by its name, if it is one."""
    return leaf.source_list if isinstance(leaf, Array) and not (leaf.ordered and leaf.known_multiplicity) else ""
