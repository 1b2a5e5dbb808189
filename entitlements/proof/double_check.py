"""The queries without a model on which an answer rests, asked of a second solver.

Assumes: both solvers read one script alike. Guarantees: an answer of which a query is answered otherwise is unknown
(where there are witnesses, they may not be all) and cannot be approved, and both queries are in a file; a query without
an answer leaves it and is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from entitlements.errors import StartupFault
from entitlements.files import write_atomically
from entitlements.proof.answer import UNKNOWN, DoubleCheck
from entitlements.proof.symbolic.found import Proof
from entitlements.proof.symbolic.smt.second_solver import second_solver, standard
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solved, SolverFailed


class Asked(Protocol):
    """A solver that can be asked. version: known after the first answer."""

    version: str

    def solve(self, script: str, *, share: float = 1.0) -> Solved:
        """Whether the assertions of an SMT-LIB script can hold at once."""


@dataclass(frozen=True, slots=True)
class SecondSolver:
    """How a second solver is asked. folder: where both queries are written if it says otherwise; start: starts it."""

    folder: Path
    start: Callable[[], AbstractContextManager[Asked]] = second_solver


def see_that_it_answers(second: Asked) -> None:
    """Raise SolverFailed where the second solver is not installed, or cannot answer the easiest query."""
    if second.solve("(assert false)\n").answer != UNSAT:
        raise SolverFailed("solver_failed", "the second solver does not answer a query that is false")


def double_checked(proof: Proof, second: Asked, folder: Path) -> Proof:
    """The same proof, with what the second solver says of each query on which it rests.

    Raises StartupFault `record_unwritable` where two queries that were answered differently cannot be written.
    """
    if proof.answer == UNKNOWN:
        return proof
    confirmed, doubts = 0, list[str]()
    for script in proof.rests:
        solved = second.solve(standard(script))
        if solved.answer == SAT:
            checked = DoubleCheck(
                confirmed, tuple(doubts), second.version, str(_written(folder, script, second.version))
            )
            return _disputed(proof, checked)
        confirmed += solved.answer == UNSAT
        doubts += [solved.reason] if solved.answer != UNSAT else []
    proof.double_check = DoubleCheck(confirmed, tuple(doubts), second.version)
    return proof


def _disputed(proof: Proof, checked: DoubleCheck) -> Proof:
    """No answer; what OPA confirmed stays shown, though it may not be all, and nothing of it can be approved."""
    reason = (
        f"the solvers disagree: Z3 finds no model where cvc5 finds one, both queries are in `{checked.contradicted}`; "
        "a defect that is worth a report"
    )
    answer = proof.answer if proof.witnesses else UNKNOWN
    return replace(proof, answer=answer, reason=reason, approvable=False, double_check=checked)


def _written(folder: Path, script: str, version: str) -> Path:
    """The file with both queries, named by what was asked."""
    file = folder / f"solvers-disagree-{hashlib.sha256(script.encode()).hexdigest()[:16]}.smt2"
    text = (
        f"; Z3 was asked this, and finds no model\n{script}(check-sat)\n(reset)\n"
        f"; cvc5 {version} was asked this, and finds a model\n(set-logic ALL)\n{standard(script)}(check-sat)\n"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
    except OSError as error:
        raise StartupFault("record_unwritable", f"`{file}` cannot be written: {error.strerror}") from None
    return file
