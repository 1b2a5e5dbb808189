"""Equality, order, membership and lookups of symbolic values, as conditions; what cannot be told exactly is noticed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from entitlements.errors import NotFollowed
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_relations import same_strings
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    TRUE,
    Term,
    arithmetic,
    conj,
    count,
    disj,
    equal,
    implies,
    neg,
    number,
)
from entitlements.proof.symbolic.values import split_strings as segments
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import (
    NUMBER,
    STRING,
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Scalar,
    Set,
    Value,
    joined,
    term_of,
)

_MOST_SLOTS = 10


class OrderNeeded(Exception):
    """A list that stands as a set of members is read in a way that its order or its length decides: take it in full."""

    def __init__(self, source_list: str) -> None:
        super().__init__(source_list)
        self.source_list = source_list


class Unsupported(NotFollowed):
    """A construct that cannot be followed: the answer is `unknown`, with file and line."""


class Notices(Protocol):
    """What the symbolic execution through a policy writes down of its own limits."""

    place: Place

    def truncated(self, source_list: str) -> None:
        """A truncated list was read in a way that its order or length decides."""

    def scanned(self, source_list: str, site: Hashable, elements: int | None) -> None:
        """The elements of a truncated list were looked at, of which one reading can depend on so many."""

    def counted(self, *source_lists: str) -> None:
        """The length of a truncated list was read, and nothing of its elements."""

    def open_end(self, source_list: str, known: int, others: int) -> None:
        """A list was computed of which some elements are known, and others represent any number of further ones."""

    def open_object(self) -> None:
        """Members were looked for that nothing names."""

    def approximated(self, what: str) -> None:
        """Less is known of a result than OPA would compute."""


class Algebra:
    """Operations on values. notices: where limits are written down."""

    def __init__(self, notices: Notices) -> None:
        self.notices = notices
        self._equal: dict[tuple[Value, Value], Term] = {}

    def equal(self, one: Value, other: Value) -> Term:
        """Where both are defined and the same JSON value."""
        key = (one, other)
        if key not in self._equal:
            self._equal[key] = disj(
                *(conj(a, b, self.same(x, y)) for a, x in one.cases for b, y in other.cases if x.kind == y.kind)
            )
        return self._equal[key]

    def same(self, one: Leaf, other: Leaf) -> Term:
        """Where two leaves are the same JSON value."""
        if one.kind != other.kind:
            return FALSE
        if one is other:
            return TRUE
        if isinstance(one, Const) and isinstance(other, Const):
            return FALSE
        if one.kind in (NUMBER, STRING):
            return (equal if one.kind == NUMBER else same_strings)(term_of(one), term_of(other))
        if isinstance(one, Array) and isinstance(other, Array):
            return self._same_arrays(one, other)
        if isinstance(one, Set) and isinstance(other, Set):
            self.noticed(one, other)
            return conj(self._all_in(one, other), self._all_in(other, one))
        if isinstance(one, Object) and isinstance(other, Object):
            self.noticed(one, other)
            if one.rest or other.rest:
                self.notices.open_object()
            return conj(self._all_members(one, other), self._all_members(other, one))
        return FALSE

    def noticed(self, *leaves: Array | Set | Object) -> None:
        """Write down what is truncated and read in a way that order or length may decide."""
        for leaf in leaves:
            for source_list in sorted(leaf.truncated):
                self.notices.truncated(source_list)

    def _scanned(self, leaf: Array | Set | Object) -> None:
        for source_list in sorted(leaf.truncated):
            self.notices.scanned(source_list, self.notices.place, leaf.truncated[source_list])

    def _same_arrays(self, one: Array, other: Array) -> Term:
        left, right = self._slots_beside(one, other), self._slots_beside(other, one)
        found = TRUE
        for place in range(max(len(left), len(right))):
            a, x = left[place] if place < len(left) else (FALSE, UNDEFINED)
            b, y = right[place] if place < len(right) else (FALSE, UNDEFINED)
            found = conj(found, implies(a, b), implies(b, a), implies(conj(a, b), self.equal(x, y)))
        return found

    def _slots_beside(self, array: Array, other: Array) -> tuple[tuple[Term, Value], ...]:
        if (found := segments.beside(array, other)) is None:
            self.noticed(array)
            found = self.slots(array)
        return found

    def slots(self, array: Array) -> tuple[tuple[Term, Value], ...]:
        """The elements by index: the i-th is at index i where its condition holds."""
        self.need_order(array)
        if array.prefix:
            return array.elements
        self.bounded(array.elements)
        guards = [guard for guard, _ in array.elements]
        found = []
        for place in range(len(guards)):
            later = range(place, len(guards))
            at = [(conj(guards[i], equal(count(guards[:i]), number(place))), array.elements[i][1]) for i in later]
            value = joined(at)
            found.append((value.defined, value))
        return tuple(found)

    def bounded(self, elements: Sequence[object]) -> None:
        """Raise where there are too many elements to say which stands where."""
        if len(elements) > _MOST_SLOTS:
            raise Unsupported("list_too_long", f"`{self.notices.place}`: a computed list is read by position")

    def need_order(self, array: Array) -> None:
        """Raise where the order or the number of elements is not known."""
        if not (array.ordered and array.known_multiplicity):
            if array.source_list:
                raise OrderNeeded(array.source_list)
            raise Unsupported("order_unknown", f"`{self.notices.place}`: the order of a computed list decides")

    def _all_in(self, one: Set, other: Set) -> Term:
        found = [
            implies(guard, disj(*(conj(g, self.equal(element, e)) for g, e in other.elements)))
            for guard, element in one.elements
        ]
        return conj(*found)

    def _all_members(self, one: Object, other: Object) -> Term:
        found = TRUE
        for guard, key, member in one.members:
            there = disj(
                *(conj(g, self.same(key, k), self.equal(member, m)) for g, k, m in self._candidates(other, key))
            )
            found = conj(found, implies(guard, there))
        return found

    @staticmethod
    def _candidates(leaf: Object, key: Leaf) -> tuple[tuple[Term, Leaf, Value], ...]:
        if isinstance(key, Const) and len(leaf.index) == len(leaf.members):
            place = leaf.index.get(key)
            return () if place is None else (leaf.members[place],)
        return leaf.members

    def among(self, value: Value, collection: Array | Set | Object) -> Term:
        """Where a value is an element of a list or a set, or a member's value of an object."""
        found = []
        if isinstance(collection, Array) and collection.segments:
            constants = [(guard, leaf) for guard, leaf in value.cases if isinstance(leaf, Const)]
            found = [conj(guard, segments.has_segment(collection.segments, leaf)) for guard, leaf in constants]
            value = Value(tuple(case for case in value.cases if not isinstance(case[1], Const)))
            if not value.cases:
                return disj(*found)
        self._scanned(collection)
        if isinstance(collection, Object):
            if collection.rest:
                self.notices.open_object()
            return disj(*(conj(guard, self.equal(value, member)) for guard, _, member in collection.members))
        return disj(*found, *(conj(guard, self.equal(value, element)) for guard, element in collection.elements))

    def member(self, source: Value, key: Value) -> Value:
        """`source[key]`, undefined where there is none."""
        if (found := self._known_member(source, key)) is not None:
            return found
        parts: list[tuple[Term, Value]] = []
        for guard, leaf in source.cases:
            for condition, name in key.cases:
                holds = conj(guard, condition)
                if holds is not FALSE:
                    parts += [(conj(holds, at), value) for at, value in self._lookup(leaf, name)]
        return joined(parts)

    @staticmethod
    def _known_member(source: Value, key: Value) -> Value | None:
        """The member of a closed object by a constant name: what most lookups are."""
        if (len(source.cases), len(key.cases)) != (1, 1):
            return None
        (guard, leaf), (condition, name) = source.cases[0], key.cases[0]
        if not isinstance(leaf, Object) or leaf.rest or leaf.truncated or guard is not TRUE or condition is not TRUE:
            return None
        place = leaf.index.get(name) if isinstance(name, Const) else None
        if place is None or len(leaf.index) != len(leaf.members):
            return None
        there, _, member = leaf.members[place]
        return member.where(there)

    def _lookup(self, leaf: Leaf, key: Leaf) -> list[tuple[Term, Value]]:
        if isinstance(leaf, Object):
            return self.object_lookup(leaf, key)
        if isinstance(leaf, Array):
            return self._array_lookup(leaf, key)
        if isinstance(leaf, Set):
            wanted = Value(((TRUE, key),))
            return [(self.among(wanted, leaf), wanted)]
        return []

    def object_lookup(self, leaf: Object, key: Leaf) -> list[tuple[Term, Value]]:
        """The members that a key may name, each under its condition."""
        self._scanned(leaf)
        found = [
            (hit, member)
            for guard, name, member in self._candidates(leaf, key)
            if (hit := conj(guard, self.same(key, name))) is not FALSE
        ]
        if leaf.rest is not None and key.kind == STRING:
            if isinstance(key, Const):
                missing = neg(disj(*(hit for hit, _ in found)))
                found.append((missing, leaf.rest(key.value)))
            else:
                self.notices.open_object()
        return found

    def _array_lookup(self, leaf: Array, key: Leaf) -> list[tuple[Term, Value]]:
        if key.kind != NUMBER:
            return []
        if isinstance(key, Scalar) and key.term.op is Op.CONST:
            # To OPA `[1.0]` is the element at 1 and `[1e0]` is none: the spelling is not known here.
            raise Unsupported("number_form", f"`{self.notices.place}`: a number with point or exponent is an index")
        if segments.is_known(leaf, key) and isinstance(key, Const):
            return [leaf.elements[key.value]]
        self.noticed(leaf)
        return [
            (conj(guard, equal(term_of(key), number(place))), element)
            for place, (guard, element) in enumerate(self.slots(leaf))
        ]

    def size(self, leaf: Array | Set | Object) -> Term:
        """How many elements or members there are, as a number."""
        if isinstance(leaf, Array) and leaf.segments:
            return segments.how_many(leaf, leaf.segments)
        if isinstance(leaf, Array) and leaf.more is not None and leaf.more.repeat:
            self.notices.counted(*leaf.truncated)
            return arithmetic("+", count([guard for guard, _ in leaf.elements]), leaf.more.number)
        self.noticed(leaf)
        if isinstance(leaf, Object):
            if leaf.rest:
                self.notices.open_object()
            return count([guard for guard, _, _ in leaf.members])
        if isinstance(leaf, Array):
            if not leaf.known_multiplicity and leaf.repeats is None:
                self.need_order(leaf)
            return count([*(guard for guard, _ in leaf.elements), *(leaf.repeats or ())])
        return count([guard for guard, _ in self.distinct(leaf)])

    def distinct(self, leaf: Set) -> list[tuple[Term, Value]]:
        """The elements of a set, each value once."""
        found: list[tuple[Term, Value]] = []
        for guard, element in leaf.elements:
            again = disj(*(conj(g, self.equal(element, e)) for g, e in found))
            found.append((conj(guard, neg(again)), element))
        return found
