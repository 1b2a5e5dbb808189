"""The question itself: from one contract and policy to another, does anyone gain or lose access?"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from entitlements import __version__
from entitlements.answer_shape import AnswerShape
from entitlements.contract import Contract, tzdata_version
from entitlements.engine import OPA_VERSION, BatchEngine, Opa, PolicyReading
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, Answer, NeverAllows, NeverFires
from entitlements.proof.checkable import checkable
from entitlements.proof.decisions import Decisions
from entitlements.proof.double_check import Asked, double_checked, see_that_it_answers
from entitlements.proof.effort import DEFAULT_EFFORT, METHOD, PROOF, UNREAD, Effort
from entitlements.proof.enumeration.completeness import complete, unread
from entitlements.proof.enumeration.enumerator import Enumerated, enumerate_scenarios
from entitlements.proof.enumeration.moments import zones_of
from entitlements.proof.enumeration.space import Space
from entitlements.proof.evidence import Evidence, digest
from entitlements.proof.grouping import grouped
from entitlements.proof.symbolic.encode import Policy
from entitlements.proof.symbolic.found import Failure, Proof
from entitlements.proof.symbolic.prover import Prover
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.whole_decision import WholeDecision, differing
from entitlements.proof.witnesses import Witnesses

_UNREAD_COVERAGE = "nothing that the policies read differs"
_NAMES = {True: "new access", False: "lost access"}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the question: a contract, the folder of its policies and the rule that decides."""

    contract: Contract
    policies: Path
    decision_path: str


@dataclass(frozen=True, slots=True)
class Access:
    """Both directions of one question, the policies' revisions, and how many decisions OPA made for it.

    evidence: what the answers rest on; failures: places where a rule or a built-in fails for a token that the new
    contract permits; whole: whether decisions are equal as a whole, where that was asked.
    """

    no_new_access: Answer
    no_lost_access: Answer
    policies: tuple[str, str]
    decisions: int
    evidence: Evidence
    failures: tuple[Failure, ...] = ()
    whole: WholeDecision | None = None


def compare_access(old: Side, new: Side, *, opa: Opa, effort: Effort = DEFAULT_EFFORT) -> Access:
    """Ask both directions.

    Where the proof finds no answer, a sample is looked at: it may show a witness. One that was not exhaustive and found
    nothing is `unknown`, never `proved`. Raises StartupFault where policies do not compile, EngineUnavailable where OPA
    fails, SolverFailed, and ModelMismatch where the proof and OPA differ.
    """
    with ExitStack() as stack:
        if effort.method != PROOF:
            return _Asked(stack, opa, old, new, effort).enumerated()
        # The solver's process starts while OPA reads the policies.
        solver = stack.enter_context(Solver(seconds=effort.seconds))
        second = stack.enter_context(effort.second.start()) if effort.second else None
        if second:
            see_that_it_answers(second)
        return _Asked(stack, opa, old, new, effort).proved(solver, second)


class _Asked:
    """One question under way."""

    def __init__(self, stack: ExitStack, opa: Opa, old: Side, new: Side, effort: Effort) -> None:
        self._started = time.monotonic()
        self._opa = opa
        self._old, self._new = old, new
        self._effort = effort
        self._engines, self._readings = _open(stack, opa, old, new)
        self._revisions = self._engines[0].revision, self._engines[1].revision
        self._decisions = Decisions(old.contract, new.contract, self._engines)
        self._makers = {
            (widening, obligation): Witnesses(
                old.contract,
                new.contract,
                self._decisions,
                self._engines,
                self._readings,
                widening=widening,
                obligation=obligation,
            )
            for widening, obligation in itertools.product((True, False), (False, True))
        }

    @cached_property
    def _space(self) -> Space:
        return Space(self._old.contract, self._new.contract, self._readings)

    @cached_property
    def _unread(self) -> bool:
        """Whether the same policies read nothing that differs: whatever they decide, they decide it on both sides."""
        return _same_policy(self._engines, self._readings, self._old, self._new) and unread(self._space)

    def enumerated(self) -> Access:
        """By looking at every point, or at a sample."""
        if self._unread:
            same = Answer(PROVED, UNREAD, _UNREAD_COVERAGE)
            return Access(same, same, self._revisions, 0, self._evidence())
        answers = [self._by_enumeration(widening) for widening in (True, False)]
        return Access(answers[0], answers[1], self._revisions, self._decisions.decided, self._evidence())

    def _by_enumeration(self, widening: bool) -> Answer:
        name = _NAMES[widening]
        enumerated = enumerate_scenarios(
            self._space,
            self._decisions,
            widening=widening,
            budget=self._effort.budget,
            seed=self._effort.seed,
            progress=lambda done, total: self._effort.progress(name, done, total),
        )
        makers = self._makers[widening, False], self._makers[widening, True]
        return _answer(self._space, enumerated, makers, self._mark(widening))

    def _mark(self, widening: bool) -> str:
        return _mark(_NAMES[widening], self._old, self._new, self._revisions)

    def proved(self, solver: Solver, second: Asked | None = None) -> Access:
        """By proof, and where that has no answer by a sample. second: confirms what the proof rests on."""
        sides = self._decisions, self._policies, self._engines, self._makers
        prover = Prover(*sides, BuiltinCalls(self._opa), solver, self._effort.clock)
        proofs = {widening: prover.prove(widening=widening) for widening in (True, False)}
        if second and self._effort.second:
            folder = self._effort.second.folder
            proofs = {widening: double_checked(proof, second, folder) for widening, proof in proofs.items()}
        never = self._never(prover, proofs)
        idle = self._idle(prover, proofs) if len(never) < len(proofs) else ()
        answers = {
            w: replace(self._proved(proof, w), never_allows=never, never_fires=idle) for w, proof in proofs.items()
        }
        return Access(
            answers[True],
            answers[False],
            self._revisions,
            self._decisions.decided,
            self._evidence(solver.version, second.version if second else ""),
            proofs[True].failures,
            self._whole(prover, answers) if self._effort.whole else None,
        )

    def _whole(self, prover: Prover, answers: Mapping[bool, Answer]) -> WholeDecision:
        """Whether decisions are equal as a whole: asked where access is."""
        if shown := [one.scenario for answer in answers.values() for one in answer.witnesses]:
            verdicts = self._decisions.verdicts(shown[0])
            return WholeDecision(REFUTED, "", differing(*verdicts) or ("allow",), shown[0], *verdicts)
        if all(answer.answer == PROVED for answer in answers.values()):
            return prover.whole_decision()
        return WholeDecision(UNKNOWN, "access is not decided")

    def _never(self, prover: Prover, proofs: Mapping[bool, Proof]) -> tuple[NeverAllows, ...]:
        """The sides that surely never allow; one of which a witness is allowed is not asked about."""
        allows = {1 if widening else 0 for widening, proof in proofs.items() if proof.witnesses}
        rules = self._old.decision_path, self._new.decision_path
        found = [prover.never_allows(side, rules[side]) for side in (0, 1) if side not in allows]
        return tuple(one for one in found if one is not None)

    def _idle(self, prover: Prover, proofs: Mapping[bool, Proof]) -> tuple[NeverFires, ...]:
        """The changed claims of which no reader can fire; none that a witness names."""
        named = {claim for proof in proofs.values() for witness in proof.witnesses for claim in witness.changed}
        return tuple(one for one in prover.never_fires(self._readings) if one.claim not in named)

    def _evidence(self, solver: str = "", second: str = "") -> Evidence:
        before, after = (policy.document for policy in self._policies)
        versions = {"entitlements": __version__, "opa": OPA_VERSION, **({"z3": solver} if solver else {})}
        versions |= {"cvc5": second} if second else {}
        if zones_of(self._old.contract, self._new.contract):
            versions["tzdata"] = tzdata_version()
        return Evidence(
            (digest(before["plan"]), digest(after["plan"])),
            (digest(before["data"]), digest(after["data"])),
            versions,
            time.monotonic() - self._started,
        )

    @cached_property
    def _policies(self) -> tuple[Policy, Policy]:
        old, new = self._engines
        before = Policy(build_plan(self._opa, old.files, self._old.decision_path))
        if new.files == old.files and self._old.decision_path == self._new.decision_path:
            return before, before
        return before, Policy(build_plan(self._opa, new.files, self._new.decision_path))

    def _proved(self, proof: Proof, widening: bool) -> Answer:
        disputed = proof.double_check is not None and bool(proof.double_check.contradicted)
        if proof.answer in (UNKNOWN, WITHIN_BOUNDS) and self._unread and not disputed:
            return Answer(PROVED, UNREAD, _UNREAD_COVERAGE)
        if disputed:
            coverage = "the solvers disagree"
        elif proof.answer == UNKNOWN:
            sampled = self._by_enumeration(widening)
            if sampled.answer != UNKNOWN:
                return sampled
            coverage = f"no proof, {sampled.coverage}"
        else:
            coverage = "every permitted token and request" + (", lists cut short" if proof.bounds else "")
        return Answer(
            proof.answer,
            PROOF,
            coverage,
            proof.reason,
            proof.witnesses,
            self._mark(widening) if proof.reason and proof.approvable else "",
            bounds=proof.bounds,
            approximations=proof.approximations,
            queries=tuple(proof.queries),
            double_check=proof.double_check,
        )


def _open(
    stack: ExitStack, opa: Opa, old: Side, new: Side
) -> tuple[tuple[BatchEngine, BatchEngine], tuple[PolicyReading, PolicyReading]]:
    """The engine and the reading of each side; the same ones where the sides are the same."""
    engine = stack.enter_context(BatchEngine(opa, old.policies, old.decision_path, shape=old.contract.answer))
    reading = checkable(opa, old.policies, old.decision_path)
    if _deciding(old) == _deciding(new):
        return (engine, engine), (reading, reading)
    other = stack.enter_context(BatchEngine(opa, new.policies, new.decision_path, shape=new.contract.answer))
    return (engine, other), (reading, checkable(opa, new.policies, new.decision_path))


def _deciding(side: Side) -> tuple[Path, str, AnswerShape]:
    """What makes the decision of a side, and how it is read."""
    return side.policies, side.decision_path, side.contract.answer


def _same_policy(
    engines: tuple[BatchEngine, BatchEngine], readings: tuple[PolicyReading, PolicyReading], old: Side, new: Side
) -> bool:
    """Whether the same rule decides on both sides, with the same content of every file that it can depend on."""
    if (old.decision_path, old.contract.answer) != (new.decision_path, new.contract.answer):
        return False
    before, after = (
        {name: engine.files[name] for name in reading.files} for engine, reading in zip(engines, readings, strict=True)
    )
    return before == after


def _answer(space: Space, enumerated: Enumerated, makers: tuple[Witnesses, Witnesses], mark: str) -> Answer:
    whole = enumerated.exhaustive and complete(space) and enumerated.scenarios
    if whole:
        coverage = f"exhaustive: {enumerated.scenarios} points"
    else:
        # Where every chosen point was executed, those that were not chosen are left.
        coverage = f"sampled {enumerated.scenarios} of {'more' if enumerated.exhaustive else _size(space.size)}"
    reason = "" if whole else "not every permitted token and request was looked at"
    if enumerated.changed_decisions or enumerated.lost_obligations:
        found = *makers[0].of(enumerated.changed_decisions), *makers[1].of(enumerated.lost_obligations)
        witnesses = grouped(found)
        if not all(maker.all_shown for maker in makers):
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
