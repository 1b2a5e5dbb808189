"""Answers that say little: no permitted token is ever allowed on one side, under any request.

Then nothing can be lost from that side, or gained on it, and `proved` is true of a policy that means something else.
"""

from __future__ import annotations

from entitlements.proof.answer import NeverAllows
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.execution.verdict import decided
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.terms.term import FALSE
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import BOOLEAN, OBJECT, Const, Leaf, Object

_SIDES = ("before", "after")


def never_allows(session: Session, side: int, rule: str) -> NeverAllows | None:
    """Whether one side surely never allows; None where it may, or where that is not known soon.

    side: 0 before, 1 after; rule: the path of the rule that decides.
    """
    question = session.question
    if question.short_lists or any(question.executed[side].limits.opened):
        return None
    if not session.never([question.possibly_allowed(side)]):
        return None
    place = _place(question, side, rule)
    return NeverAllows(_SIDES[side], rule, place.file, place.row, _shape(question, side))


def _place(question: Question, side: int, rule: str) -> Place:
    """Where the rule that decides stands."""
    path = tuple(rule.split("/"))
    found = [place for name, place, _ in question.executed[side].rules if tuple(name) == path]
    return found[0] if found else Place("", 0, 0)


def _shape(question: Question, side: int) -> str:
    """What the decision is where it can never be read as one that allows; empty where it is a boolean, or may be."""
    cases = decided(question.inputs.algebra, question.executed[side].value).cases
    shapes = [_of_leaf(leaf) for guard, leaf in cases if guard is not FALSE]
    return " or ".join(dict.fromkeys(shapes)) if shapes and all(shapes) else ""


def _of_leaf(leaf: Leaf) -> str:
    if leaf is Const(False) or leaf.kind == BOOLEAN:
        return ""
    if not isinstance(leaf, Object):
        return f"{'an' if leaf.kind == 'array' else 'a'} {leaf.kind}" if leaf.kind != "null" else "null"
    if leaf.kind == OBJECT and Const("allow") in leaf.index:
        return ""
    names = ", ".join(f"`{key.value}`" for _, key, _ in leaf.members if isinstance(key, Const))
    return f"an object of {names} without `allow`" if names else "an object without `allow`"
