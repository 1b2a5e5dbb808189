"""The rounds of a scan, in the order in which OPA goes through them where that is known."""

from __future__ import annotations

from entitlements.proof.symbolic.execution.statements import Loop
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.concrete import sorted_elements
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Array, Object, Set, constant, of_leaf


def loop_over(algebra: Algebra, limits: Limits, leaf: Array | Set | Object, *, uses_key: bool) -> Loop:
    """The rounds of a scan. uses_key: whether its body reads the index or key."""
    if isinstance(leaf, Array):
        if uses_key:
            algebra.noticed(leaf)
        elements = algebra.slots(leaf) if uses_key else leaf.elements
        rounds = [(guard, constant(place), element) for place, (guard, element) in enumerate(elements)]
        return Loop(leaf, rounds, leaf.ordered, leaf.known_multiplicity)
    if isinstance(leaf, Object):
        if leaf.rest is not None:
            limits.open_object()
        ordered = None if leaf.rest is not None else sorted_elements(leaf.members)
        rows = leaf.members if ordered is None else ordered
        rounds = [(guard, of_leaf(name), member) for guard, name, member in rows]
        return Loop(leaf, rounds, ordered is not None or len(rows) < 2, leaf.rest is None)
    # Sets and objects are iterated in sorted order, which is known of constants.
    singles = [(guard, element.cases[0][1], element) for guard, element in leaf.elements if len(element.cases) == 1]
    ordered = sorted_elements(singles) if len(singles) == len(leaf.elements) else None
    if ordered is None:
        rounds = [(guard, element, element) for guard, element in leaf.elements]
        return Loop(leaf, rounds, len(rounds) < 2, len(rounds) < 2)
    return Loop(leaf, [(guard, element, element) for guard, _, element in ordered], True, True)
