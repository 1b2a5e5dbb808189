"""The question itself: from one contract and policy to another, does anybody gain or lose access?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Contract
from entitlements.engine import BatchEngine, PolicyReading, read_policies
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN, Answer
from entitlements.proof.completeness import complete, unread
from entitlements.proof.decisions import Decisions
from entitlements.proof.enumerator import Walked, walk
from entitlements.proof.space import Space
from entitlements.proof.witnesses import Witnesses

METHOD, UNREAD = "enumeration", "unread"
DEFAULT_BUDGET = 20_000


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the question: a contract, the folder of its policies and the rule that decides."""

    contract: Contract
    policies: Path
    decision_path: str


@dataclass(frozen=True, slots=True)
class Access:
    """Both directions of one question, the policies' revisions, and how many decisions were made for it."""

    no_new_access: Answer
    no_lost_access: Answer
    policies: tuple[str, str]
    decisions: int


def compare_access(
    old: Side,
    new: Side,
    *,
    opa: Path,
    budget: int = DEFAULT_BUDGET,
    seed: int = 1,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> Access:
    """Ask both directions.

    budget: points that may be looked at in each; seed: of what is drawn at random; progress: told the direction, the
    points done and all of them. A walk that was not exhaustive and found nothing is `unknown`, never `proved`.
    Raises StartupFault where policies do not compile and EngineUnavailable where OPA fails.
    """
    with ExitStack() as stack:
        engines, readings = _open(stack, opa, old, new)
        space = Space(old.contract, new.contract, readings)
        revisions = engines[0].revision, engines[1].revision
        if _same_policy(engines, readings, old, new) and unread(space):
            same = Answer(PROVED, UNREAD, "nothing that the policies read differs")
            return Access(same, same, revisions, 0)
        decisions = Decisions(old.contract, new.contract, engines)
        answers = []
        for widening, name in ((True, "new access"), (False, "lost access")):
            walked = walk(
                space,
                decisions,
                widening=widening,
                budget=budget,
                seed=seed,
                progress=lambda done, total, name=name: progress(name, done, total),  # type: ignore[misc]
            )
            maker = Witnesses(old.contract, new.contract, decisions, engines, readings, widening=widening)
            answers.append(_answer(space, walked, maker, _mark(name, old, new, revisions)))
        return Access(answers[0], answers[1], revisions, decisions.decided)


def _open(
    stack: ExitStack, opa: Path, old: Side, new: Side
) -> tuple[tuple[BatchEngine, BatchEngine], tuple[PolicyReading, PolicyReading]]:
    """The engine and the reading of each side; the same ones where the sides are the same."""
    engine = stack.enter_context(BatchEngine(opa, old.policies, old.decision_path))
    reading = _reading(opa, old)
    if (old.policies, old.decision_path) == (new.policies, new.decision_path):
        return (engine, engine), (reading, reading)
    other = stack.enter_context(BatchEngine(opa, new.policies, new.decision_path))
    return (engine, other), (reading, _reading(opa, new))


def _reading(opa: Path, side: Side) -> PolicyReading:
    """What the decision of a side can depend on."""
    reading = read_policies(opa, side.policies)
    return reading.only(reading.needed(side.decision_path))


def _same_policy(
    engines: tuple[BatchEngine, BatchEngine], readings: tuple[PolicyReading, PolicyReading], old: Side, new: Side
) -> bool:
    """Whether the same rule decides on both sides, with the same content of every file that it can depend on."""
    if old.decision_path != new.decision_path:
        return False
    before, after = (
        {name: engine.files[name] for name in reading.files} for engine, reading in zip(engines, readings, strict=True)
    )
    return before == after


def _answer(space: Space, walked: Walked, maker: Witnesses, mark: str) -> Answer:
    whole = walked.exhaustive and complete(space) and walked.points
    if whole:
        coverage = f"exhaustive: {walked.points} points"
    else:
        # Where every chosen point was walked, those that were not chosen are left.
        coverage = f"sampled {walked.points} of {'more' if walked.exhaustive else _size(space.size)}"
    reason = "" if whole else "not every permitted token and request was looked at"
    if walked.flips:
        witnesses = maker.of(walked.flips)
        if not maker.all_told:
            return Answer(REFUTED, METHOD, coverage, "there are more kinds of witnesses than are shown", witnesses)
        return Answer(REFUTED, METHOD, coverage, reason, witnesses, "" if whole else mark)
    return Answer(PROVED, METHOD, coverage) if whole else Answer(UNKNOWN, METHOD, coverage, reason, fingerprint=mark)


def _mark(direction: str, old: Side, new: Side, revisions: tuple[str, str]) -> str:
    """What an approval of an unknown answer accepts: this step, with these very contracts and policies."""
    parts = [
        direction,
        old.contract.ref.digest,
        new.contract.ref.digest,
        *revisions,
        old.decision_path,
        new.decision_path,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _size(number: int) -> str:
    return str(number) if number < 10**7 else f"{number:.1e}"
