"""A short run of the fuzzer: the proof never says proved where a pair of tokens exists."""

from __future__ import annotations

from entitlements.engine import Opa
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN

from .fuzz import run


def test_no_answer_is_wrong_on_small_domains(opa: Opa) -> None:
    figures = run(15, 150, opa, a_batch=50)
    assert figures.faults == []
    assert figures.pairs == 150
    assert figures.by_duty > 3
    assert figures.answers[REFUTED] > 60
    assert figures.answers[PROVED] > 60
    assert figures.answers[UNKNOWN] < 0.1 * 300
    for form in ("map", "union", "null"):
        assert min(figures.forms[form, answer] for answer in (PROVED, REFUTED)) > 10, figures.forms
