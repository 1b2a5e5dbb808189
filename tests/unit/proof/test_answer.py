"""When an answer opens the gate: proved, or every part of it approved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entitlements.model import Resource
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, Answer, Witness
from entitlements.proof.scenario import Scenario, Token

TOKEN = Token("u_1", frozenset(), {})
POINT = Scenario(TOKEN, TOKEN, "read", Resource("item", "1", {}), {})
OPEN = Witness(POINT, False, (), "", (), (), "0" * 16)
APPROVED = replace(OPEN, approved=True)


def answered(answer: str, *witnesses: Witness, reason: str = "", accepted: bool = False) -> Answer:
    return Answer(answer, "proof", "", reason, witnesses, accepted=accepted)


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (answered(PROVED), True),
        (answered(WITHIN_BOUNDS, reason="short lists"), False),
        (answered(WITHIN_BOUNDS, reason="short lists", accepted=True), True),
        (answered(WITHIN_BOUNDS), False),
        (answered(UNKNOWN, reason="a time-out"), False),
        (answered(UNKNOWN), False),
        (answered(UNKNOWN, accepted=True), True),
        (answered(REFUTED), False),
        (answered(REFUTED, OPEN), False),
        (answered(REFUTED, APPROVED), True),
        (answered(REFUTED, APPROVED, OPEN), False),
        (answered(REFUTED, APPROVED, reason="a sample"), False),
        (answered(REFUTED, APPROVED, reason="a sample", accepted=True), True),
        (answered(REFUTED, APPROVED, OPEN, reason="a sample", accepted=True), False),
    ],
    ids=lambda value: f"{value.answer} {len(value.witnesses)}" if isinstance(value, Answer) else str(value),
)
def test_only_a_proof_or_an_approval_of_everything_passes(answer: Answer, passes: bool) -> None:
    assert answer.passes is passes
