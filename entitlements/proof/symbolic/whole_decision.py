"""Whether both sides say the same in every member of a decision: whether there is one, its reasons, its obligations.

Assumes: both directions of access are proved, obligations included. Guarantees: `proved` only where no list is cut, no
object open, nothing fails and no decision may be malformed; `refuted` only where OPA gives different members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from entitlements.answer_shape import AnswerShape
from entitlements.engine.answer import MAX_OBLIGATIONS, MAX_REASONS
from entitlements.model import Verdict, same_json
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN
from entitlements.proof.decisions import Decisions
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.execution.verdict import decided, lost_obligation, member_at
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import BOOLEAN, Array, Const, Leaf, Object, Set, Value

_Items = Sequence[tuple[Term, Value]]


@dataclass(frozen=True)
class WholeDecision:
    """Whether decisions are equal as a whole. reason: why that is not known; where they are not, differs: the members
    that differ at an example, input and both verdicts (None where the evaluation failed).
    """

    answer: str
    reason: str = ""
    differs: tuple[str, ...] = ()
    example: Scenario | None = None
    before: Verdict | None = None
    after: Verdict | None = None


def whole_decision(session: Session, decisions: Decisions, related: Callable[[Scenario], bool]) -> WholeDecision:
    """The answer for all related tokens and requests that both contracts permit.

    session: of a question of which access is proved; related: the independent check of a point.
    """
    question = session.question
    if doubt := _not_followed(question):
        return WholeDecision(UNKNOWN, doubt)
    algebra = question.inputs.algebra
    told = [
        _members(algebra, executed.value, contract.answer)
        for executed, contract in zip(question.executed, question.pair.contracts, strict=True)
    ]
    if told[0] is None or told[1] is None:
        return WholeDecision(
            UNKNOWN, "a decision may be malformed, or has reasons or obligations that are not followed"
        )
    there = [decided(algebra, executed.value).defined for executed in question.executed]
    differs = [_unlike(*there)]
    for one, other in zip(*told, strict=True):
        differs += [lost_obligation(algebra, one, other), lost_obligation(algebra, other, one)]
    candidate = session.candidate([*question.pair.permitted, disj(*differs)])
    if candidate.scenario is None:
        return WholeDecision(UNKNOWN if candidate.reason else PROVED, session.too_much(candidate.reason))
    before, after = decisions.verdicts(candidate.scenario)
    members = differing(before, after)
    if members and related(candidate.scenario):
        return WholeDecision(REFUTED, "", members, candidate.scenario, before, after)
    return WholeDecision(UNKNOWN, "a candidate was found that OPA does not confirm")


def differing(before: Verdict | None, after: Verdict | None) -> tuple[str, ...]:
    """The members in which two verdicts differ, reasons and obligations as sets; none where the decisions are equal."""
    if before is None or after is None:
        return () if before is after else ("decision",)
    told = {
        "allow": before.allow == after.allow,
        "reasons": set(before.reasons) == set(after.reasons),
        "obligations": _same(before.obligations, after.obligations),
    }
    return tuple(name for name, same in told.items() if not same)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(any(same_json(a, b) for b in other) for a in one) and all(
        any(same_json(a, b) for b in one) for a in other
    )


def _unlike(one: Term, other: Term) -> Term:
    return FALSE if one is other else disj(conj(one, neg(other)), conj(other, neg(one)))


def _not_followed(question: Question) -> str:
    """Why a whole decision is not followed; empty where it is."""
    for executed in question.executed:
        if places := [*executed.limits.cut.values(), *executed.limits.opened]:
            return f"`{places[0]}` reads a list or an object of which not everything is followed"
        if fails := [place for (place, _), condition in executed.errors.items() if condition is not FALSE]:
            return f"a rule or a built-in may fail at `{fails[0]}`"
    return ""


def _members(algebra: Algebra, value: Value, shape: AnswerShape) -> tuple[_Items, _Items] | None:
    """Reasons and obligations of a side, each under its condition; None where not all is known, or the service may
    refuse the form.
    """
    found: tuple[list[tuple[Term, Value]], list[tuple[Term, Value]]] = ([], [])
    for guard, leaf in decided(algebra, value).cases:
        if leaf.kind == BOOLEAN and shape.boolean:
            continue
        if not isinstance(leaf, Object) or not _plain(algebra, guard, leaf, shape):
            return None
        lists = (shape.reasons, MAX_REASONS), (shape.obligations, MAX_OBLIGATIONS)
        for items, (path, most) in zip(found, lists, strict=True):
            for condition, collection in member_at(algebra, leaf, path).cases:
                if not _counted(collection, most):
                    return None
                items += [(conj(guard, condition, held), one) for held, one in collection.elements]
    return found


def _counted(collection: Leaf, most: int) -> TypeGuard[Array | Set]:
    """Whether all elements of a list are known, and surely no more than the service takes."""
    if not isinstance(collection, (Array, Set)) or collection.truncated or len(collection.elements) > most:
        return False
    return isinstance(collection, Set) or collection.known_multiplicity


def _plain(algebra: Algebra, guard: Term, leaf: Object, shape: AnswerShape) -> bool:
    """Whether an object surely has the members of a decision alone, `allow` among them as a boolean."""
    names = [key.value for _, key, _ in leaf.members if isinstance(key, Const)]
    if leaf.rest is not None or len(names) < len(leaf.members):
        return False
    if any(name not in shape.members or shape.members[name] for name in names):
        return False
    allow = member_at(algebra, leaf, shape.allow)
    always = allow.defined is TRUE or conj(guard, allow.defined) is guard
    return always and all(one.kind == BOOLEAN for _, one in allow.cases)
