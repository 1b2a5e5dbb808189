"""An invariant that may fail in OPA is proved only where no token that breaks it is hidden by the failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN
from entitlements.proof.invariants import load_invariant, prove_invariant
from tests.integration.proof.test_attacks import contract

POLICY = 'package shop.authz\n\ndefault allow := false\n\nallow if input.subject.claims.role == "user"\n'
HEAD = "package shop.authz_invariant\n\n"
FAILS = HEAD + (
    'violation contains "a" if input.subject.claims.n == 0\n\n'
    'violation contains "a" if 1 / input.subject.claims.n > 5\n'
)
HOLDS = HEAD + 'violation contains "a" if {\n\tinput.subject.claims.n == 0\n\tinput.subject.claims.n > 0\n}\n'
BREAKS = HEAD + 'violation contains "a" if {\n\tdata.shop.authz.allow\n\tinput.subject.claims.n == 0\n}\n'


@pytest.mark.parametrize(
    ("rules", "answer"), [(FAILS, UNKNOWN), (HOLDS, PROVED), (BREAKS, REFUTED)], ids=["fails", "holds", "breaks"]
)
def test_violation_that_a_failure_may_hide_is_not_proved_away(
    rules: str, answer: str, opa: Opa, tmp_path: Path
) -> None:
    """Where `n` is 0 the other definition fails; OPA may or may not come to it."""
    place = tmp_path / "shop" / "authz"
    place.mkdir(parents=True)
    (place / "authz.rego").write_text(POLICY)
    (place / "authz_invariant.rego").write_text(rules)
    claims = {
        "role": {"required": True, "schema": {"enum": ["user", "guest"]}},
        "n": {"required": True, "schema": {"enum": [0, 1]}},
    }
    invariant = load_invariant(place / "authz_invariant.rego", tmp_path)
    (found,) = prove_invariant(invariant, contract(claims=claims), tmp_path, opa=opa)
    assert (found.code, found.answer) == ("a", answer)
