"""Does a change of contract or policy let anyone do what they could not do before?"""

from entitlements.proof.answer import HOLDS, PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, Answer, Witness
from entitlements.proof.check import DEFAULT_BUDGET, DEFAULT_EFFORT, METHOD, PROOF, Access, Effort, Side, compare_access

__all__ = [
    "DEFAULT_BUDGET",
    "DEFAULT_EFFORT",
    "HOLDS",
    "METHOD",
    "PROOF",
    "PROVED",
    "REFUTED",
    "UNKNOWN",
    "WITHIN_BOUNDS",
    "Access",
    "Answer",
    "Effort",
    "Side",
    "Witness",
    "compare_access",
]
