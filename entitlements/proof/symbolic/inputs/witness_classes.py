"""That a point is of the kind of a witness, as a condition: the same differences, action and type of resource."""

from __future__ import annotations

import json

from entitlements.contract import Contract
from entitlements.proof.kinds import Difference, differences
from entitlements.proof.migration import claim_steps
from entitlements.proof.point import Point
from entitlements.proof.symbolic.inputs.token_pair import Sides
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, both, either, negation, same_truth
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import UNDEFINED, Array, Const, Value, constant


def of_kind(algebra: Algebra, sides: Sides, point: Point) -> Term:
    """Where a point needs at least the differences of this one, or none where this one has none."""
    old, new = sides.contracts
    found = differences(old, new, point)
    parts = [_differs(algebra, sides, one) for one in found] or [*sides.unchanged.values()]
    request = sides.request
    parts.append(algebra.equal(request.action, constant(point.action)))
    parts.append(algebra.equal(request.kind, constant(point.resource.type)))
    return both(*parts)


def _differs(algebra: Algebra, sides: Sides, difference: Difference) -> Term:
    name, what, text = difference
    if name == "scope":
        scope = json.loads(text)
        was, is_now = (token.scopes.get(scope, FALSE) for token in sides.tokens)
        return both(negation(was), is_now) if what == "+" else both(was, negation(is_now))
    if name in ("sub", "client_id"):
        return negation(sides.unchanged[name])
    before_name = _before(sides.contracts, name)
    before = sides.tokens[0].claims.get(before_name, UNDEFINED)
    after = sides.tokens[1].claims.get(name, UNDEFINED)
    if what in ("+", "-"):
        held, lost = (after, before) if what == "+" else (before, after)
        return both(_holds(algebra, held, text), negation(_holds(algebra, lost, text)))
    changed = negation(both(*(sides.unchanged.get(one, TRUE) for one in {before_name, name})))
    if text == "":
        return both(changed, negation(after.defined))
    return changed if text == "*" else both(changed, algebra.equal(after, constant(json.loads(text))))


def _before(contracts: tuple[Contract, Contract], name: str) -> str:
    """The name that a claim had before."""
    return next((step.name_before for step in claim_steps(*contracts) if step.name_after == name), name)


def _holds(algebra: Algebra, value: Value, text: str) -> Term:
    """Where a list holds an item."""
    item = constant(json.loads(text))
    found = [
        both(guard, there, algebra.equal(element, item))
        for guard, leaf in value.cases
        if isinstance(leaf, Array)
        for there, element in leaf.elements
    ]
    return either(*found)


def single_differences(algebra: Algebra, sides: Sides) -> list[Term]:
    """Everything that may differ between the tokens, one condition each: an item that came or went, a value that
    changed.

    The fewer hold at a point, the plainer it is.
    """
    found = []
    for name, same in sides.unchanged.items():
        items = sorted(_items(sides, name), key=repr)
        before, after = (token.claims.get(name, UNDEFINED) for token in sides.tokens)
        if name == "scope":
            scopes = sorted({*sides.tokens[0].scopes, *sides.tokens[1].scopes})
            pairs = [[token.scopes.get(scope, FALSE) for token in sides.tokens] for scope in scopes]
            found += [negation(same_truth(one, other)) for one, other in pairs]
        elif items:
            held = [[_holds(algebra, value, json.dumps(item)) for value in (before, after)] for item in items]
            found += [negation(same_truth(one, other)) for one, other in held]
        else:
            found.append(negation(same))
    return [term for term in found if term is not FALSE]


def _items(sides: Sides, name: str) -> set[str | int | bool]:
    """The items of a list over a vocabulary; none of any other claim."""
    found: set[str | int | bool] = set()
    for token in sides.tokens:
        for _, leaf in token.claims.get(name, UNDEFINED).cases:
            for _, element in leaf.elements if isinstance(leaf, Array) else ():
                constants = [one.value for _, one in element.cases if isinstance(one, Const)]
                found |= {value for value in constants if isinstance(value, (str, int, bool))}
    return found
