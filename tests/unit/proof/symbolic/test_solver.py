"""The solver process: whatever happens to it there is an answer or a fault, and the next question is answered."""

from __future__ import annotations

import subprocess
import sys

import pytest

from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, UNSAT, Solver, SolverFailed
from tests.child_opa import freeze

EASY = "(declare-const v0 Bool)\n(assert v0)\n"
# Pigeons: exponentially hard for resolution, and small.
_HOLES = 12
_SPOTS = [f"v{p * _HOLES + h}" for p in range(_HOLES + 1) for h in range(_HOLES)]
HARD = "\n".join(
    [
        *(f"(declare-const {spot} Bool)" for spot in _SPOTS),
        *(f"(assert (or {' '.join(_SPOTS[p * _HOLES : (p + 1) * _HOLES])}))" for p in range(_HOLES + 1)),
        *(
            f"(assert (or (not {_SPOTS[p * _HOLES + h]}) (not {_SPOTS[q * _HOLES + h]})))"
            for h in range(_HOLES)
            for p in range(_HOLES + 1)
            for q in range(p)
        ),
    ]
)


def answers_still(solver: Solver) -> bool:
    solved = solver.solve(EASY)
    return solved.answer == SAT and solved.model == {"v0": "true"}


def test_answers_and_models() -> None:
    with Solver(seconds=10) as solver:
        assert answers_still(solver)
        assert solver.solve("(assert false)\n").answer == UNSAT
        assert solver.version


def test_nothing_of_one_question_is_left_in_the_next() -> None:
    with Solver(seconds=10) as solver:
        assert solver.solve("(declare-const v0 Bool)\n(assert (not v0))\n").model == {"v0": "false"}
        assert solver.solve("(declare-const v0 Int)\n(assert (= v0 (- 3)))\n").model == {"v0": "-3"}
        assert answers_still(solver)


def test_a_question_that_takes_too_long_is_unknown() -> None:
    with Solver(seconds=0.5) as solver:
        solved = solver.solve(HARD)
        assert solved.answer == UNDECIDED
        assert solved.reason
        assert answers_still(solver)


def test_a_process_that_does_not_answer_at_all_is_ended() -> None:
    with Solver(seconds=0.2) as solver:
        assert answers_still(solver)
        assert solver._process is not None
        process = solver._process.process
        freeze(process.pid)
        assert solver.solve(EASY).answer == UNDECIDED
        assert process.poll() is not None
    with Solver(seconds=10) as solver:
        assert answers_still(solver)


def test_a_process_that_is_killed_between_questions_is_replaced() -> None:
    with Solver(seconds=10) as solver:
        assert answers_still(solver)
        assert solver._process is not None
        process = solver._process.process
        process.kill()
        process.wait(60)
        solved = solver.solve(EASY)
        assert (solved.answer, solved.reason[:16]) == (UNDECIDED, "the solver ended")
        assert answers_still(solver)


def test_a_process_that_runs_out_of_memory_gives_no_answer() -> None:
    with Solver(seconds=10, memory_mb=64) as solver:
        for text in (EASY, HARD, EASY):
            solved = solver.solve(text)
            assert solved.answer == UNDECIDED
            assert solved.reason == "the solver ended, its memory is limited to 64 MiB"


@pytest.mark.parametrize("text", ["(assert", "(assert v9)", "(declare-const v0 Nonsense)", '(assert (= "a" 1))'])
def test_a_question_that_is_not_accepted_is_a_fault(text: str) -> None:
    with Solver(seconds=10) as solver:
        with pytest.raises(SolverFailed):
            solver.solve(text)
        assert answers_still(solver)


def pid_of(solver: Solver) -> int:
    assert solver._process is not None
    return solver._process.process.pid


def test_an_idle_process_answers_the_next_solver_as_a_new_one_does() -> None:
    with Solver(seconds=10) as solver:
        assert solver.solve("(declare-const v0 Int)\n(assert (> v0 3))\n(declare-fun f () Bool)\n").answer == SAT
        first = pid_of(solver)
    with Solver(seconds=10) as solver:
        assert pid_of(solver) == first
        assert answers_still(solver)
        with Solver(seconds=10) as other:
            assert pid_of(other) != first
            assert answers_still(other)


def test_an_idle_process_of_another_limit_is_not_taken() -> None:
    with Solver(seconds=10) as solver:
        assert answers_still(solver)
    with Solver(seconds=10, memory_mb=64) as solver:
        assert solver.solve(EASY).answer == UNDECIDED


def test_a_process_whose_question_was_interrupted_is_ended() -> None:
    seen = []
    with pytest.raises(KeyboardInterrupt), Solver(seconds=10) as solver:
        seen.append(solver._process)
        raise KeyboardInterrupt
    assert seen[0] is not None
    assert not seen[0].runs


# What a forked process would read are the answers of its parent.
FORKS = """
import os, sys
from entitlements.proof.symbolic.smt.solver import SAT, Solver

with Solver(seconds=10) as solver:
    first = solver._process.process.pid
child = os.fork()
if child == 0:
    with Solver(seconds=10) as solver:
        other = solver._process.process.pid != first
        os._exit(0 if other and solver.solve("(assert true)").answer == SAT else 1)
failed = os.waitpid(child, 0)[1]
with Solver(seconds=10) as solver:
    sys.exit(failed or solver._process.process.pid != first or solver.solve("(assert true)").answer != SAT)
"""


def test_a_forked_process_starts_a_solver_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], timeout=300, check=False)
    assert done.returncode == 0


def test_nobody_but_the_solver_process_imports_the_solver() -> None:
    code = (
        "import sys, entitlements.proof, entitlements.proof.check, entitlements.wiring, entitlements.web.app;"
        "import entitlements.cli; assert 'z3' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
