"""The self-check: where symbolic execution and OPA decide an input differently there is no answer, and never `proved`.

The executor's defect is imitated with real parts: it is given the plan of one policy, OPA evaluates another.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from entitlements.contract import parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof import PROVED, UNKNOWN
from entitlements.proof.checkable import checkable
from entitlements.proof.decisions import Decisions
from entitlements.proof.symbolic.encode import Policy
from entitlements.proof.symbolic.found import Proof
from entitlements.proof.symbolic.prover import Prover
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.witnesses import Witnesses
from tests.shop import shop_contract

CONTRACT = parse_contract(
    shop_contract(
        """\
claims:
  role: {{required: true, schema: {{enum: [user, admin]}}}}
request:
  actions: [read]
  resources: {{item: {{properties: {{owner: {{enum: [a, b]}}}}}}}}
""",
        rule="decision",
    ).format(version="1.0.0"),
    Path("shop.yaml"),
    named=False,
)
HEAD = "package shop.authz\n\n"
DENIES = HEAD + 'decision := {"allow": false}\n'
ALLOWS = HEAD + 'decision := {"allow": true}\n'
ADMINS = HEAD + 'decision := {"allow": input.subject.claims.role == "admin"}\n'
USERS = HEAD + 'decision := {"allow": input.subject.claims.role == "user"}\n'
STEP_UP = HEAD + 'decision := {"allow": true, "obligations": [{"id": "step_up"}]}\n'

Prove = Callable[[str, str], Proof]


@pytest.fixture
def proof(opa: Opa, tmp_path: Path) -> Prove:
    """The answer about new access where one policy is executed symbolically and OPA evaluates another."""

    def answered(executed: str, evaluated: str) -> Proof:
        place = tmp_path / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(evaluated)
        rule = CONTRACT.decision_path
        plan = Policy(build_plan(opa, {"shop/authz/authz.rego": executed.encode()}, rule))
        reading = checkable(opa, tmp_path, rule)
        with BatchEngine(opa, tmp_path, rule) as engine, Solver(seconds=60) as solver:
            decisions = Decisions(CONTRACT, CONTRACT, (engine, engine))
            makers = {
                (widening, duty): Witnesses(
                    CONTRACT,
                    CONTRACT,
                    decisions,
                    (engine, engine),
                    (reading, reading),
                    widening=widening,
                    obligation=duty,
                )
                for widening, duty in product((True, False), repeat=2)
            }
            prover = Prover(decisions, (plan, plan), (engine, engine), makers, BuiltinCalls(opa), solver)
            return prover.prove(widening=True)

    return answered


def test_same_policy_in_both_is_proved(proof: Prove) -> None:
    assert proof(ADMINS, ADMINS).answer == PROVED


@pytest.mark.parametrize(
    ("executed", "evaluated"),
    [(DENIES, ALLOWS), (DENIES, ADMINS), (ALLOWS, ADMINS), (ALLOWS, USERS), (DENIES, USERS)],
    ids=["nobody, all", "nobody, admins", "all, admins", "all, users", "nobody, users"],
)
def test_decision_that_opa_gives_otherwise_is_a_mismatch(proof: Prove, executed: str, evaluated: str) -> None:
    """A claim that symbolic execution forgot is drawn, too."""
    found = proof(executed, evaluated)
    assert found.answer == UNKNOWN
    assert "an input drawn at random is decided differently" in found.reason
    assert "shop/authz/authz.rego" in found.reason


@pytest.mark.parametrize(("executed", "evaluated"), [(STEP_UP, ALLOWS), (ALLOWS, STEP_UP)], ids=["lost", "gained"])
def test_obligations_that_opa_gives_otherwise_are_a_mismatch(proof: Prove, executed: str, evaluated: str) -> None:
    found = proof(executed, evaluated)
    assert found.answer == UNKNOWN
    assert "an input drawn at random has other obligations" in found.reason
