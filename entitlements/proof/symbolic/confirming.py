"""What stands between a model of the solver and a witness: the independent relation, and OPA on both sides."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.engine import BatchEngine
from entitlements.model import JSON
from entitlements.proof.answer import Witness
from entitlements.proof.decisions import Decisions
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.self_check import ModelMismatch, mismatch_of
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.witnesses import Witnesses


class Confirming:
    """Judges points. engines: OPA with each policy; makers: turn a confirmed point into a witness, by direction."""

    def __init__(
        self,
        decisions: Decisions,
        engines: tuple[BatchEngine, BatchEngine],
        makers: Mapping[tuple[bool, bool], Witnesses],
    ) -> None:
        self._decisions = decisions
        self._engines = engines
        self._makers = makers

    def mismatch(self, question: Question, assignment: Assignment) -> ModelMismatch:
        """The fault that a model of the solver is decided differently, on the side on which it is."""
        return mismatch_of("a model of the solver is decided differently", question, self._engines, assignment)

    def confirmed(self, scenario: Scenario, *, widening: bool, obligation: bool) -> bool:
        """Whether OPA decides a point as a turn of this direction; obligation: as one that loses an obligation."""
        return bool(self._decisions.turns([scenario], widening=widening, obligation=obligation))

    def witness(self, scenario: Scenario, *, widening: bool, obligation: bool) -> Witness:
        """The witness of a confirmed point."""
        (found,) = self._makers[widening, obligation].of([scenario])
        return found

    def plain_witness(self, scenario: Scenario, *, widening: bool, obligation: bool) -> Witness:
        """The witness of a confirmed point as it is, with nothing left out."""
        return self._makers[widening, obligation].plain(scenario)

    def related(self, scenario: Scenario, *, widening: bool) -> bool:
        """The independent check of a point: two permitted tokens of one principal and a permitted request."""
        return self._makers[widening, False].permitted(scenario)

    def input_of(self, scenario: Scenario) -> Mapping[str, JSON]:
        """What policy sees at a point after the change."""
        return self._decisions.input(scenario, 1)

    def fails(self, scenario: Scenario, side: int) -> bool:
        """Whether OPA gives no decision at a point on one side."""
        return self._decisions.verdicts(scenario)[side] is None
