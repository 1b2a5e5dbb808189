"""How a question is answered: by which method, and how much of what it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from entitlements.proof.double_check import SecondSolver

PROOF, METHOD, UNREAD = "proof", "enumeration", "unread"
DEFAULT_BUDGET = 20_000
SECONDS = 60.0
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How a question is answered. method: `proof` or `enumeration`; budget: points that may be looked at in each
    direction; seed: of what is drawn at random; seconds: for the proof in each direction, as a whole; progress: told
    the direction, the points done and all of them; second: a solver that is asked again what Z3 calls unsatisfiable, or
    None; clock: by which the seconds are counted; whole: whether reasons have to be equal, too.
    """

    method: str = PROOF
    budget: int = DEFAULT_BUDGET
    seed: int = 1
    seconds: float = SECONDS
    progress: Progress = lambda _what, _done, _all: None
    second: SecondSolver | None = None
    clock: Callable[[], float] = time.monotonic
    whole: bool = False


DEFAULT_EFFORT = Effort()
