"""A short run of random policies that read the time: never proved where OPA allows at an instant and denied before."""

from __future__ import annotations

from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED

from .timed import run


def test_no_widening_at_an_instant_is_called_proved(opa: Opa) -> None:
    figures = run(3, 6, opa)
    assert figures.faults == []
    assert figures.answers[PROVED] > 1
    assert figures.answers[REFUTED] > 1
