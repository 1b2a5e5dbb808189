"""The length of a list that is represented by the set of its members (docs/proof-bounds.md)."""

from __future__ import annotations

from entitlements.proof.symbolic.terms.term import INT, Term, conj, count, disj, less, number, variable

MOST_REPEATS = 100
"""Of a longer list of this kind, the length is not followed."""


def repeated(name: str, there: list[Term], least: int, most: int) -> tuple[Term, ...]:
    """How many elements there are beyond one of each member, where there is a member at all: any number with which the
    list is neither too short nor too long.
    """
    more, some, members = variable(f"{name} repeats", INT), disj(*there), count(there)
    found = []
    for times in range(most - 1):
        fits = less(members, number(most - times - 1), strict=False)
        needed = less(members, number(least - times - 1), strict=False)
        found.append(conj(some, fits, disj(needed, less(number(times), more))))
    return tuple(found)
