"""Does a change of contract or policy let anyone do what they could not do before?"""

from entitlements.proof.answer import HOLDS, PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, Answer, Witness
from entitlements.proof.check import Access, Side, compare_access
from entitlements.proof.double_check import SecondSolver
from entitlements.proof.effort import DEFAULT_BUDGET, DEFAULT_EFFORT, METHOD, PROOF, SECONDS, Effort

__all__ = [
    "DEFAULT_BUDGET",
    "DEFAULT_EFFORT",
    "HOLDS",
    "METHOD",
    "PROOF",
    "PROVED",
    "REFUTED",
    "SECONDS",
    "UNKNOWN",
    "WITHIN_BOUNDS",
    "Access",
    "Answer",
    "Effort",
    "SecondSolver",
    "Side",
    "Witness",
    "compare_access",
]
