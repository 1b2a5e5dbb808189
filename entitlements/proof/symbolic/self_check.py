"""Before any answer: what symbolic execution of a policy found, compared with OPA on inputs drawn at random.

Assumes: OPA is the reference. Guarantees: ModelMismatch where an input that was drawn is decided differently; no
more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from entitlements.contract import TimeSpec, time_context
from entitlements.engine import BatchEngine
from entitlements.errors import NotFollowed
from entitlements.model import Verdict, same_json
from entitlements.proof.instants import boundaries, instants
from entitlements.proof.symbolic.encode import Executed, Question
from entitlements.proof.symbolic.inputs.clock import SECONDS, time_value
from entitlements.proof.symbolic.inputs.dates import days_near, is_day
from entitlements.proof.symbolic.smt.assignment import Assignment, Chance, NotKnown
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import FALSE, INT, REAL, STRING_SORT, Term, subterms
from entitlements.proof.symbolic.terms.timestamps import ANY_DAY, RANGES, rendered
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Value

_INPUTS = 64


class ModelMismatch(NotFollowed):
    """The symbolic execution and OPA decide differently: a defect of ours. The question has no answer, others have."""


def mismatch(what: str, question: Question, side: int, engine: BatchEngine, assignment: Assignment) -> ModelMismatch:
    """The fault, with what showed it and the innermost rule whose value differs."""
    where = _differing_rule(question, side, engine, assignment)
    return ModelMismatch(
        "model_mismatch",
        f"{what} by OPA than by the proof, {where}: a defect of entitlements that is worth a report",
    )


def mismatch_of(
    what: str, question: Question, engines: tuple[BatchEngine, BatchEngine], assignment: Assignment
) -> ModelMismatch:
    """The fault, on the first side that OPA decides differently."""
    for side in (0, 1):
        (verdict,) = engines[side].decide([assignment.document(question.pair.document(side))])
        executed = question.executed[side]
        if _allows(verdict) != assignment.of(executed.allowed) or not _same_obligations(executed, assignment, verdict):
            return mismatch(what, question, side, engines[side], assignment)
    return mismatch(what, question, 1, engines[1], assignment)


def _differing_rule(question: Question, side: int, engine: BatchEngine, assignment: Assignment) -> str:
    """The first rule whose value differs, of those that are evaluated first; else the rule that decides."""
    document = assignment.document(question.pair.document(side))
    for path, place, value in question.executed[side].rules:
        name = "data." + ".".join(path)
        try:
            expected = assignment.document(value)
        except NotKnown:
            continue
        shown, found = [expected] if assignment.present(expected) else [], engine.rule_values(path, document)
        if found is not None and not same_json(_sorted(found), _sorted(shown)):
            return f"`{name}` at `{place}` has another value"
    for path, place, _ in question.executed[side].rules[-1:]:
        return f"`data.{'.'.join(path)}` at `{place}` is read differently"
    return "the rule that decides is read differently"


def _sorted(document: Any) -> Any:
    """A document with its lists in one order, as sets are lists where they are printed."""
    if isinstance(document, dict):
        return {name: _sorted(member) for name, member in document.items()}
    if not isinstance(document, list):
        return document
    return sorted(map(_sorted, document), key=lambda one: json.dumps(one, sort_keys=True))


def check_against_opa(question: Question, engines: tuple[BatchEngine, BatchEngine]) -> None:
    """Raises ModelMismatch where OPA decides an input differently, or where its decision holds other obligations."""
    terms = [question.executed[side].allowed for side in (0, 1)]
    everything = [*terms, *question.inputs.facts, question.pair.related]
    everything += [there for executed in question.executed for there, _ in executed.obligations]
    _check_clock(question)
    chance = _chance(everything, question)
    sizes = {term.args[0]: term.args[2] for term in subterms(everything) if term.op is Op.CHOICE}
    assignments = [chance.assignment(sizes, question.decide_string) for _ in range(_INPUTS)]
    same_decisions = question.same_policy and terms[0] is terms[1] and question.lost == (FALSE, FALSE)
    for side in (1,) if same_decisions else (0, 1):
        _try_side(question, side, engines[side], assignments)


def _try_side(question: Question, side: int, engine: BatchEngine, assignments: Sequence[Assignment]) -> None:
    executed = question.executed[side]
    tried: list[tuple[Assignment, Any, set[bool]]] = []
    for assignment in assignments:
        try:
            # Where something fails, OPA gives no decision, or does not come to evaluate it.
            expected = {assignment.of(executed.allowed)} | (
                {assignment.of(executed.allow)} if executed.errors else set()
            )
            document = assignment.document(question.pair.document(side))
            if assignment.exact and _tells(executed.limits, question.pair.document(side), assignment, document):
                tried.append((assignment, document, expected))
        except NotKnown:
            continue
    verdicts = engine.decide([document for _, document, _ in tried])
    for (assignment, _, expected), verdict in zip(tried, verdicts, strict=True):
        if _allows(verdict) not in expected:
            raise mismatch("an input drawn at random is decided differently", question, side, engine, assignment)
        if not _same_obligations(executed, assignment, verdict):
            raise mismatch("an input drawn at random has other obligations", question, side, engine, assignment)


def _tells(limits: Limits, value: Value, assignment: Assignment, document: Any) -> bool:
    """Whether a document with elements beyond those that are looked at is decided as what was looked at: where nothing
    but which elements there are, and how many, is read.
    """
    return None not in limits.scans.values() or assignment.short(value) == document


def _same_obligations(executed: Executed, assignment: Assignment, verdict: Verdict | None) -> bool:
    """Whether an allow holds the obligations that were found, as a set; true where it cannot be told what it holds."""
    try:
        if verdict is None or not verdict.allow or not assignment.of(executed.allowed):
            return True
        found = [
            _sorted(assignment.document(obligation))
            for there, obligation in executed.obligations
            if assignment.of(there)
        ]
    except NotKnown:
        return True
    if not assignment.exact:
        return True
    given = [_sorted(obligation) for obligation in verdict.obligations]
    return all(any(same_json(one, other) for other in given) for one in found) and all(
        any(same_json(one, other) for other in found) for one in given
    )


def _allows(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.allow is True


def _check_clock(question: Question) -> None:
    """Compare the terms of `context.time` with what the service tells, on both sides of every change of an offset."""
    for spec in dict.fromkeys(contract.time for contract in question.pair.contracts):
        if spec is not None and (at := _told_otherwise(spec)):
            raise ModelMismatch(
                "model_mismatch", f"the time at {at} is another one in `{spec.zone}`: a defect of entitlements"
            )


@lru_cache(maxsize=64)
def _told_otherwise(spec: TimeSpec) -> int:
    """A second of which the terms say something else than the service; 0 for none."""
    value = time_value(spec)
    for second in boundaries([spec.zone]):
        told = Assignment({SECONDS.args[0]: second}, {}, lambda *_: False, lambda _: 0).document(value)
        if told != time_context(spec, second):
            return second
    return 0


def _chance(terms: list[Term], question: Question) -> Chance:
    """Random assignments that meet the constants of the policies often."""
    strings: dict[str, None] = {}
    numbers: dict[int | Fraction, None] = {}
    for term in subterms(terms):
        if term.op is Op.CONST and term.sort == STRING_SORT:
            strings[term.args[0]] = None
        elif term.op is Op.CONST and term.sort in (INT, REAL):
            numbers[term.args[0]] = None
    zones = question.pair.zones
    seconds = instants(zones, numbers, strings) if zones else []
    whole = (int(one) for one in numbers if one in RANGES[ANY_DAY])
    days = days_near([*strings, *(rendered(ANY_DAY, one) for one in whole)])

    def within(term: Term) -> Sequence[int]:
        return seconds if term is SECONDS else days if is_day(term) else ()

    return Chance(1, list(strings), list(numbers), within)
