"""That a point is of the kind of a witness, as a condition: the same differences of the tokens."""

from __future__ import annotations

import json

from entitlements.contract import Contract
from entitlements.proof.kinds import Difference, differences
from entitlements.proof.migration import claim_steps
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.inputs.token_pair import TokenPair
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg, same_truth
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import UNDEFINED, Array, Const, Value, constant


def of_kind(algebra: Algebra, pair: TokenPair, scenario: Scenario) -> Term:
    """Where a point needs at least the differences of this one, or none where this one has none."""
    found = differences(*pair.contracts, scenario)
    return conj(*([_differs(algebra, pair, one) for one in found] or pair.unchanged.values()))


def _differs(algebra: Algebra, pair: TokenPair, difference: Difference) -> Term:
    name, what, string = difference
    if name == "scope":
        scope = json.loads(string)
        was, is_now = (token.scopes.get(scope, FALSE) for token in pair.tokens)
        return conj(neg(was), is_now) if what == "+" else conj(was, neg(is_now))
    if name in ("sub", "client_id"):
        return neg(pair.unchanged[name])
    before_name = _before(pair.contracts, name)
    before = pair.tokens[0].claims.get(before_name, UNDEFINED)
    after = pair.tokens[1].claims.get(name, UNDEFINED)
    if what in ("+", "-"):
        held, lost = (after, before) if what == "+" else (before, after)
        return conj(_holds(algebra, held, string), neg(_holds(algebra, lost, string)))
    changed = neg(conj(*(pair.unchanged.get(one, TRUE) for one in {before_name, name})))
    if string == "":
        return conj(changed, neg(after.defined))
    return changed if string == "*" else conj(changed, algebra.equal(after, constant(json.loads(string))))


def _before(contracts: tuple[Contract, Contract], name: str) -> str:
    """The name that a claim had before."""
    return next((step.name_before for step in claim_steps(*contracts) if step.name_after == name), name)


def _holds(algebra: Algebra, value: Value, string: str) -> Term:
    """Where a list holds an item."""
    item = constant(json.loads(string))
    found = [
        conj(guard, there, algebra.equal(element, item))
        for guard, leaf in value.cases
        if isinstance(leaf, Array)
        for there, element in leaf.elements
    ]
    return disj(*found)


def single_differences(algebra: Algebra, pair: TokenPair) -> list[Term]:
    """Everything that may differ between the tokens, one condition each: an item that came or went, a value that
    changed.

    The fewer hold at a point, the plainer it is.
    """
    found = []
    for name, same in pair.unchanged.items():
        items = sorted(_items(pair, name), key=repr)
        before, after = (token.claims.get(name, UNDEFINED) for token in pair.tokens)
        if name == "scope":
            scopes = sorted({*pair.tokens[0].scopes, *pair.tokens[1].scopes})
            pairs = [[token.scopes.get(scope, FALSE) for token in pair.tokens] for scope in scopes]
            found += [neg(same_truth(one, other)) for one, other in pairs]
        elif items:
            held = [[_holds(algebra, value, json.dumps(item)) for value in (before, after)] for item in items]
            found += [neg(same_truth(one, other)) for one, other in held]
        else:
            found.append(neg(same))
    return [term for term in found if term is not FALSE]


def _items(pair: TokenPair, name: str) -> set[str | int | bool]:
    """The items of a list over a finite domain; none of any other claim."""
    found: set[str | int | bool] = set()
    for token in pair.tokens:
        for _, leaf in token.claims.get(name, UNDEFINED).cases:
            for _, element in leaf.elements if isinstance(leaf, Array) else ():
                constants = [one.value for _, one in element.cases if isinstance(one, Const)]
                found |= {value for value in constants if isinstance(value, (str, int, bool))}
    return found
