"""Does a change of contract or policy let anybody do what they could not do before?"""

from entitlements.proof.answer import HOLDS, PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, Answer, Witness
from entitlements.proof.check import DEFAULT_BUDGET, Access, Side, compare_access

__all__ = [
    "DEFAULT_BUDGET",
    "HOLDS",
    "PROVED",
    "REFUTED",
    "UNKNOWN",
    "WITHIN_BOUNDS",
    "Access",
    "Answer",
    "Side",
    "Witness",
    "compare_access",
]
