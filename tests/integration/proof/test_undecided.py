"""A solver that finds no answer: the proof has none, whatever else it found."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof import UNKNOWN
from entitlements.proof.checkable import checkable
from entitlements.proof.decisions import Decisions
from entitlements.proof.symbolic.encode import Policy
from entitlements.proof.symbolic.prover import Prover
from entitlements.proof.symbolic.smt.solver import UNDECIDED, Solved
from entitlements.proof.witnesses import Witnesses
from tests.integration.proof.test_self_check import ADMINS, CONTRACT, USERS


class SolverWithoutAnswers:
    """Behind the solver port: gives every question up."""

    seconds = 60.0

    def solve(self, _text: str, *, share: float = 1.0) -> Solved:
        return Solved(UNDECIDED, reason=f"no answer within {share:g} of the time")


@pytest.mark.parametrize("widening", [True, False])
def test_question_that_the_solver_gives_up_is_unknown_with_its_reason(widening: bool, opa: Opa, tmp_path: Path) -> None:
    rule = CONTRACT.decision_path
    folders = []
    for name, policy in (("before", ADMINS), ("after", USERS)):
        place = tmp_path / name / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(policy)
        folders.append(tmp_path / name)
    solver: Any = SolverWithoutAnswers()
    with BatchEngine(opa, folders[0], rule) as before, BatchEngine(opa, folders[1], rule) as after:
        engines, readings = (before, after), tuple(checkable(opa, folder, rule) for folder in folders)
        policies = [Policy(build_plan(opa, engine.files, rule)) for engine in engines]
        decisions = Decisions(CONTRACT, CONTRACT, engines)
        makers = {
            (one, duty): Witnesses(
                CONTRACT, CONTRACT, decisions, engines, (readings[0], readings[1]), widening=one, obligation=duty
            )
            for one, duty in product((True, False), repeat=2)
        }
        prover = Prover(decisions, (policies[0], policies[1]), engines, makers, BuiltinCalls(opa), solver)
        found = prover.prove(widening=widening)
    assert found.answer == UNKNOWN
    assert "no answer within" in found.reason
    assert found.witnesses == ()
