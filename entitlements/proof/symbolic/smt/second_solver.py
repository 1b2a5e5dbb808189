"""A second solver, cvc5, in a process of its own: it is asked again what Z3 called unsatisfiable.

Assumes: nothing of Z3. Guarantees: the assertions are those that Z3 was asked, in the standard's spelling where Z3 has
one of its own; what cvc5 does not read, or not within its time, is undecided, and never an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from entitlements.proof.symbolic.smt.solver import Solver

SECONDS = 10.0
_PROCESS = Path(__file__).with_name("second_process.py")
# The one operator of the questions that is Z3's own.
_AT_MOST_ONE = re.compile(r"\(\(_ at-most 1\) ([^()]+)\)")


def second_solver(*, seconds: float = SECONDS) -> Solver:
    """cvc5. seconds: wall clock a query. Asking it raises SolverFailed where it is not installed."""
    return Solver(seconds=seconds, process=_PROCESS)


def standard(script: str) -> str:
    """A script without what Z3 alone understands, with the same assertions."""
    return _AT_MOST_ONE.sub(_counted, script)


def _counted(found: re.Match[str]) -> str:
    ones = " ".join(f"(ite {name} 1 0)" for name in found[1].split())
    return f"(<= (+ {ones}) 1)"
