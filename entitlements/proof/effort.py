"""How a question is answered: by which method, and how much of what it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entitlements.proof.double_check import SecondSolver

PROOF, METHOD, UNREAD = "proof", "enumeration", "unread"
DEFAULT_BUDGET = 20_000
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How a question is answered. method: `proof` or `enumeration`; budget: points that may be looked at in each
    direction; seed: of what is drawn at random; seconds: for each question to the solver; progress: told the direction,
    the points done and all of them; second: a solver that is asked again what Z3 calls unsatisfiable, or None.
    """

    method: str = PROOF
    budget: int = DEFAULT_BUDGET
    seed: int = 1
    seconds: float = 30.0
    progress: Progress = lambda _what, _done, _all: None
    second: SecondSolver | None = None


DEFAULT_EFFORT = Effort()
