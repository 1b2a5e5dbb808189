"""Answers that say little: no one is ever allowed on one side, or no rule that reads what changed can ever fire.

Then nothing can be lost from that side, or gained on it, or the change means nothing to the policies as they stand, and
`proved` is true of a policy that means something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entitlements.answer_shape import AnswerShape
from entitlements.contract import claim_places
from entitlements.engine import PolicyReading, Read, RuleLines
from entitlements.proof.answer import NeverAllows, NeverFires
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.execution.verdict import decided
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, disj
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import BOOLEAN, OBJECT, Const, Leaf, Object

_SIDES = ("before", "after")
_SCOPE, _IDENTITIES = "scope", ("sub", "client_id")


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


def never_fires(sessions: Sequence[Session], readings: Sequence[PolicyReading]) -> Iterator[NeverFires]:
    """The changed claims of which policies have readers, none of which can fire on either side; as far as that is
    known soon.

    sessions, readings: of each side, 0 before, 1 after.
    """
    questions = [session.question for session in sessions]
    if any(one.short_lists or any(executed.limits.opened for executed in one.executed) for one in questions):
        return
    for name, same in questions[1].pair.unchanged.items():
        if same is TRUE or name in _IDENTITIES:
            continue
        readers = [[*_readers(reading, name)] for reading in readings]
        if not any(readers) or any(rule is None for rules in readers for rule in rules):
            continue
        rules = [[rule for rule in one if rule is not None] for one in readers]
        if all(sessions[side].never([_fired(questions[side], side, rules[side])]) for side in (0, 1)):
            places = dict.fromkeys(f"{rule.file}:{rule.first}" for rule in (*rules[1], *rules[0]))
            side = 1 if rules[1] else 0
            yield NeverFires(name, tuple(places), _SIDES[side], rules[side][0].file, rules[side][0].first)


def _readers(reading: PolicyReading, claim: str) -> Iterator[RuleLines | None]:
    """The rules that read a claim, or may; None for a place that is in no rule."""
    places = [("subject", "scopes")] if claim == _SCOPE else [*claim_places(claim)]
    for read in reading.reads:
        if any(map(read.may_be_of, places)):
            yield next((rule for rule in reading.rules if _within(read, rule)), None)


def _within(read: Read, rule: RuleLines) -> bool:
    return read.file == rule.file and rule.first <= read.line <= rule.last


def _fired(question: Question, side: int, rules: Sequence[RuleLines]) -> Term:
    """Where one of these rules comes to its end; never, of a rule that the decision does not depend on."""
    ended = question.executed[side].fired.items()
    lines = [(rule.file, range(rule.first, rule.last + 1)) for rule in rules]
    return disj(*(term for at, term in ended for file, rows in lines if at.file == file and at.row in rows))


def _place(question: Question, side: int, rule: str) -> Place:
    """Where the rule that decides stands."""
    path = tuple(rule.split("/"))
    found = [place for name, place, _ in question.executed[side].rules if tuple(name) == path]
    return found[0] if found else Place("", 0, 0)


def _shape(question: Question, side: int) -> str:
    """What the decision is where it can never be read as one that allows; empty where it is a boolean, or may be."""
    cases = decided(question.inputs.algebra, question.executed[side].value).cases
    shape = question.pair.contracts[side].answer
    shapes = [_of_leaf(leaf, shape) for guard, leaf in cases if guard is not FALSE]
    return " or ".join(dict.fromkeys(shapes)) if shapes and all(shapes) else ""


def _of_leaf(leaf: Leaf, shape: AnswerShape) -> str:
    if leaf is Const(False) or (leaf.kind == BOOLEAN and shape.boolean):
        return ""
    if not isinstance(leaf, Object):
        return f"{'an' if leaf.kind == 'array' else 'a'} {leaf.kind}" if leaf.kind != "null" else "null"
    allow = shape.allow[0]
    if leaf.kind == OBJECT and Const(allow) in leaf.index:
        return ""
    names = ", ".join(f"`{key.value}`" for _, key, _ in leaf.members if isinstance(key, Const))
    return f"an object of {names} without `{allow}`" if names else f"an object without `{allow}`"
