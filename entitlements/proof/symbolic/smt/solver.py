"""The solver: Z3 in a process of its own, with limits on time and memory. Nothing else here knows Z3.

The process reads one question a line and answers `sat` with a model, `unsat`, or `unknown` with the reason. When it
takes too long it is ended, and the next question gets a new one.

Assumes: Z3's `unsat` is right. Guarantees: `unsat` only where Z3 said so within time and memory; anything else is
`sat` with a model, or undecided with the reason.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from entitlements.errors import ProofFailed
from entitlements.proof.symbolic.smt.solver_processes import SolverProcess, give_back, taken

SAT, UNSAT, UNDECIDED = "sat", "unsat", "unknown"
_PROCESS = Path(__file__).with_name("solver_process.py")


class SolverFailed(ProofFailed):
    """The solver process cannot be started or broke its protocol."""


@dataclass(frozen=True)
class Solved:
    """The solver's answer. model: a value for each symbol, as text; reason: why there is no answer."""

    answer: str
    model: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


class Solver:
    """One solver process, which no other one uses at the same time. A context manager.

    seconds: wall clock a question; memory_mb: what the process may use; process: the script that answers.
    """

    def __init__(self, *, seconds: float = 30.0, memory_mb: int = 4096, process: Path = _PROCESS) -> None:
        self.seconds = seconds
        self._script = process
        self._memory = memory_mb
        self._process: SolverProcess | None = None
        self.version = ""
        self._start()

    def __enter__(self) -> Solver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._process is not None:
            give_back(self._process)
            self._process = None
        self._stop()

    def solve(self, script: str, *, share: float = 1.0) -> Solved:
        """Whether the assertions of an SMT-LIB text can hold at once. share: of the time that a question may take."""
        seconds = self.seconds * share
        if self._process is None:
            self._start()
        if self._process is None:
            raise SolverFailed("solver_failed", "the solver process has no input")
        try:
            line = self._process.ask(script, seconds)
        except queue.Empty:
            self._stop()
            return Solved(UNDECIDED, reason=f"the solver found no answer in {seconds:g} seconds")
        if not line:
            self._stop()
            return Solved(UNDECIDED, reason=f"the solver ended, its memory is limited to {self._memory} MiB")
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            self._stop()
            raise SolverFailed("solver_failed", f"the solver answers no question: {answer['fault']}")
        self.version = answer["version"]
        return Solved(answer["answer"], answer.get("model", {}), answer.get("reason", ""))

    def _start(self) -> None:
        try:
            self._process = taken(self._script, self._memory)
        except OSError:
            raise SolverFailed("solver_failed", "the solver process cannot be started") from None

    def _stop(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
