"""What a condition says of the request alone, once the tokens and all else are those of one assignment.

Assumes: an assignment of a model. Guarantees: nothing that an answer rests on; what is proposed here is confirmed by
OPA or asked of the solver again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown
from entitlements.proof.symbolic.terms.op import CONNECTIVES, Op
from entitlements.proof.symbolic.terms.term import FALSE, Term, conj, disj, neg, truth


def residual(goal: Term, assignment: Assignment | None, atoms: Container[Term]) -> Term:
    """A goal with every condition but the atoms as the assignment has it; false where that is not known."""
    left: dict[Term, Term] = {}
    if assignment is None:
        return FALSE
    try:
        for term in _down_to(goal, atoms):
            if term in atoms:
                left[term] = term
            elif term.op not in CONNECTIVES:
                left[term] = truth(bool(assignment.of(term)))
            elif term.op is Op.NOT:
                left[term] = neg(left[term.args[0]])
            else:
                left[term] = (conj if term.op is Op.AND else disj)(*(left[arg] for arg in term.args))
    except NotKnown:
        return FALSE
    return left[goal]


def _down_to(goal: Term, atoms: Container[Term]) -> Iterator[Term]:
    """The connectives of a goal and what they connect, arguments first."""
    seen: set[Term] = set()
    stack = [goal]
    while stack:
        term = stack.pop()
        if term not in seen:
            seen.add(term)
            stack += term.args if term.op in CONNECTIVES and term not in atoms else ()
    yield from sorted(seen, key=lambda term: term.number)
