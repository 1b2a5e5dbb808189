"""A witness is shrunk to what matters, and stays one: both tokens permitted, the request too."""

from __future__ import annotations

from pathlib import Path

from entitlements.contract import conforms
from entitlements.engine import Opa
from entitlements.proof import REFUTED
from tests.integration.proof.test_attacks import answer, contract

CLAIMS = {
    "role": {"required": True, "schema": {"enum": ["user", "guest"]}},
    "level": {"schema": {"type": "integer", "minimum": 1, "maximum": 3}},
}


def test_required_claim_stays_in_a_witness_that_would_turn_without_it(opa: Opa, tmp_path: Path) -> None:
    one = contract(claims=CLAIMS)
    found = answer(one, one, tmp_path, opa, "allow if false", 'allow if not input.subject.claims.role == "guest"')
    assert found.answer == REFUTED
    for witness in found.witnesses:
        for token in (witness.scenario.before, witness.scenario.after):
            assert token.claims.get("role") == "user"
            assert all(conforms(CLAIMS[name]["schema"], value) for name, value in token.claims.items())


def test_optional_claim_that_does_not_matter_is_left_out(opa: Opa, tmp_path: Path) -> None:
    one = contract(claims=CLAIMS)
    found = answer(
        one,
        one,
        tmp_path,
        opa,
        'allow if {\n\tinput.subject.claims.role == "user"\n\tinput.subject.claims.level > 5\n}',
        'allow if input.subject.claims.role == "user"',
    )
    assert [dict(witness.scenario.after.claims) for witness in found.witnesses] == [{"role": "user"}]
