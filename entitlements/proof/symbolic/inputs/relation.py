"""The migration relation read as conditions on symbolic values, claim by claim: the twin of `proof.migration`.

Both readings follow the same table. A test holds them against each other on constants, where this one folds to true or
false.

Assumes: both values conform to their own schema. Guarantees: the condition holds of every pair that `proof.migration`
relates; where more pairs satisfy it, `proof.migration` refuses them before they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from entitlements.contract import Contract
from entitlements.model import JSON, same_json
from entitlements.proof.migration import ClaimStep, may_refill, of_another_type, property_of
from entitlements.proof.symbolic.inputs.lengths import length
from entitlements.proof.symbolic.inputs.list_sizes import Sizes
from entitlements.proof.symbolic.inputs.schema_encoding import conforming
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    TRUE,
    Term,
    conj,
    disj,
    equal,
    implies,
    neg,
    truth,
)
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import UNDEFINED, Array, Const, Leaf, Object, Value, joined, of_leaf


def claim_related(algebra: Algebra, step: ClaimStep, before: Value, after: Value, released: tuple[Term, Term]) -> Term:
    """Where a principal whose claim was `before` may hold `after`; a claim that is not there is undefined.

    released: where the granted scopes release the claim, before and after. Both values conform wherever they are
    defined.
    """
    if step.before is None or step.after is None:
        return TRUE
    if step.unfollowed:
        return TRUE
    there = conj(*released)
    if step.same:
        return implies(there, _same_or_both_absent(algebra, before, after))
    old, new = step.before, step.after
    gone = neg(before.defined)
    lost = neg(after.defined)
    appears = disj(lost, truth(old.required != new.required), neg(conforming(algebra, old.schema, after)))
    disappears = disj(truth(old.required), neg(conforming(algebra, new.schema, before)))
    kept = _present_related(algebra, (old.schema, new.schema), before, after, thins=step.ignores_more)
    return implies(
        there,
        disj(conj(gone, appears), conj(neg(gone), lost, disappears), conj(neg(gone), neg(lost), kept)),
    )


def _present_related(
    algebra: Algebra,
    schemas: tuple[Mapping[str, JSON], Mapping[str, JSON]],
    before: Value,
    after: Value,
    *,
    thins: bool,
) -> Term:
    """thins: whether items are left out after that no list could hold before."""
    if not thins:
        return value_related(algebra, *schemas, before, after)
    if may_refill(schemas[1]):
        return TRUE
    return disj(
        *(
            conj(a, b, _list_related(algebra, *schemas, x, y, thins=True))
            for a, x in before.cases
            for b, y in after.cases
            if isinstance(x, Array) and isinstance(y, Array)
        )
    )


def _same_or_both_absent(algebra: Algebra, before: Value, after: Value) -> Term:
    return disj(conj(neg(before.defined), neg(after.defined)), same_value(algebra, before, after))


def same_value(algebra: Algebra, one: Value, other: Value) -> Term:
    """Equality, where a list that stands as the set of its members equals one with the same members, and as many."""
    parts = []
    for a, x in one.cases:
        for b, y in other.cases:
            if x is y:
                found = TRUE
            elif isinstance(x, Object) and isinstance(y, Object) and _closed(x) and _closed(y):
                found = _same_members(algebra, x, y)
            elif isinstance(x, Array) and isinstance(y, Array) and not (x.ordered and y.ordered):
                found = conj(_all_among(algebra, x, y), _all_among(algebra, y, x), _as_long(algebra, x, y))
            elif isinstance(x, Array) and isinstance(y, Array) and x.prefix and y.prefix:
                found = conj(_same_elements(algebra, x, y), _as_long(algebra, x, y))
            else:
                found = algebra.same(x, y)
            parts.append(conj(a, b, found))
    return disj(*parts)


def _closed(leaf: Object) -> bool:
    return leaf.rest is None and all(isinstance(key, Const) for _, key, _ in leaf.members)


def _same_members(algebra: Algebra, one: Object, other: Object) -> Term:
    found = []
    for key in dict.fromkeys(key for leaf in (one, other) for _, key, _ in leaf.members):
        values = [joined(algebra.object_lookup(leaf, key)) for leaf in (one, other)]
        found.append(_same_or_both_absent(algebra, *values))
    return conj(*found)


def _same_elements(algebra: Algebra, one: Array, other: Array) -> Term:
    """The same elements in the same order, of lists whose elements stand where their place says."""
    found = []
    for (a, x), (b, y) in zip_longest(one.elements, other.elements, fillvalue=(FALSE, UNDEFINED)):
        found.append(disj(conj(neg(a), neg(b)), conj(a, b, same_value(algebra, x, y))))
    return conj(*found)


def _as_long(algebra: Algebra, one: Array, other: Array) -> Term:
    known = all(array.known_multiplicity or array.repeats is not None for array in (one, other))
    return equal(length(algebra, one), length(algebra, other)) if known else TRUE


def _all_among(algebra: Algebra, one: Array, other: Array) -> Term:
    return conj(*(implies(guard, _among(algebra, element, other)) for guard, element in one.elements))


def _among(algebra: Algebra, value: Value, array: Array) -> Term:
    return disj(*(conj(guard, same_value(algebra, value, element)) for guard, element in array.elements))


def value_related(
    algebra: Algebra, old: Mapping[str, JSON], new: Mapping[str, JSON], before: Value, after: Value
) -> Term:
    """Where a present value may become another present one."""
    if same_json(old, new):
        return same_value(algebra, before, after)
    if of_another_type(old, new):
        return TRUE
    parts = []
    for a, x in before.cases:
        for b, y in after.cases:
            parts.append(conj(a, b, _leaf_related(algebra, (old, new), x, y)))
    return disj(*parts)


def _leaf_related(
    algebra: Algebra, schemas: tuple[Mapping[str, Any], Mapping[str, Any]], before: Leaf, after: Leaf
) -> Term:
    old, new = schemas
    if isinstance(before, Array) and isinstance(after, Array) and "items" in old and "items" in new:
        return _list_related(algebra, old, new, before, after)
    if isinstance(before, Object) and isinstance(after, Object) and "properties" in old and "properties" in new:
        return _object_related(algebra, old, new, before, after)
    one, other = of_leaf(before), of_leaf(after)
    return disj(
        same_value(algebra, one, other),
        neg(conforming(algebra, old, other)),
        neg(conforming(algebra, new, one)),
    )


def _list_related(
    algebra: Algebra,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    before: Array,
    after: Array,
    *,
    thins: bool = False,
) -> Term:
    """thins: whether any item may have been replaced by one that is left out."""

    def stays(one: Value, other: Value) -> Term:
        """Where one item is what became of another."""
        parts = []
        for a, x in one.cases:
            for b, y in other.cases:
                inner = x.kind == y.kind and isinstance(x, (Array, Object))
                found = _item_related(algebra, (old["items"], new["items"]), x, y) if inner else algebra.same(x, y)
                parts.append(conj(a, b, found))
        return disj(*parts)

    unique = bool(new.get("uniqueItems"))
    kept = [conj(guard, conforming(algebra, new["items"], e)) for guard, e in before.elements]
    if unique:
        kept = _once(algebra, kept, [e for _, e in before.elements])
    known = [conj(guard, conforming(algebra, old["items"], e)) for guard, e in after.elements]
    fresh = [conj(guard, neg(k)) for k, (guard, _) in zip(known, after.elements, strict=True)]
    added = [
        conj(k, neg(disj(*(conj(guard, stays(one, e)) for guard, one in before.elements))))
        for k, (_, e) in zip(known, after.elements, strict=True)
    ]
    lost = [
        conj(k, neg(disj(*(conj(guard, stays(e, other)) for guard, other in after.elements))))
        for k, (_, e) in zip(kept, before.elements, strict=True)
    ]
    sizes = Sizes(algebra, (old, new), (before, after), kept)
    came = disj(neg(disj(*added)), sizes.grows(added))
    same = same_value(algebra, of_leaf(before), of_leaf(after))
    return disj(same, conj(came, disj(truth(thins), sizes.shrinks, sizes.may_lose(lost, fresh, unique=unique))))


def _item_related(
    algebra: Algebra, schemas: tuple[Mapping[str, Any], Mapping[str, Any]], one: Leaf, other: Leaf
) -> Term:
    return value_related(algebra, *schemas, of_leaf(one), of_leaf(other))


def _once(algebra: Algebra, holds: Sequence[Term], elements: Sequence[Value]) -> list[Term]:
    """Each value counted at its first occurrence only."""
    found: list[Term] = []
    for place, condition in enumerate(holds):
        earlier = [conj(holds[i], same_value(algebra, elements[i], elements[place])) for i in range(place)]
        found.append(conj(condition, neg(disj(*earlier))))
    return found


def _object_related(
    algebra: Algebra, old: Mapping[str, Any], new: Mapping[str, Any], before: Object, after: Object
) -> Term:
    found = []
    for name in dict.fromkeys([*old["properties"], *new["properties"]]):
        step = ClaimStep(name, name, property_of(old, name), property_of(new, name))
        values = [joined(algebra.object_lookup(leaf, Const(name))) for leaf in (before, after)]
        found.append(claim_related(algebra, step, values[0], values[1], (TRUE, TRUE)))
    return conj(*found)


def scopes_related(old: Contract, new: Contract, before: Mapping[str, Term], after: Mapping[str, Term]) -> Term:
    """Where scopes granted before may become those granted after. before, after: each declared scope's condition."""
    fresh = [bit for name, bit in after.items() if name not in old.scopes]
    lost = [conj(bit, neg(after[name])) for name, bit in before.items() if name in new.scopes]
    came = [conj(bit, neg(before[name])) for name, bit in after.items() if name in old.scopes]
    return conj(*map(neg, came), disj(neg(disj(*lost)), *fresh))
