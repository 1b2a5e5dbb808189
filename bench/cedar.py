"""`make bench-cedar`: our proof beside Cedar's own analyzer, on pairs of policies that mean the same in both languages.

Both are asked whether anyone gains access, in turns; the figures are the medians of the rounds. Each answer is held
against the wanted one, and each counterexample is confirmed: by OPA here, by Cedar's authorizer there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.pairs import ACTIONS, SIZES, Pair, as_cedar, as_rego, pairs
from bench.proof import contract
from devkit.service import ROOT
from entitlements.cli.render import table
from entitlements.engine import BatchEngine, Opa, find_opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.decisions import Decisions
from entitlements.proof.symbolic.encode import Policy, encode
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.terms.term import neg

_HEAD = (
    *("rules", "attributes", "change", "plan by OPA, ms", "proof, ms"),
    *("parse by Cedar, ms", "compile, ms", "solve, ms", "ours / Cedar's", "with plan and parse"),
)
_LEFT_OUT = (
    "The comparison with Cedar's analyzer was left out: `make bench-cedar` builds it (cargo, a quarter of an hour)."
)
_BUILT = ROOT / "build" / "cedar"
_ANALYZER = _BUILT / "release" / "analyzer"
_SOLVER = Path(__file__).with_name("cedar") / "solver.py"
# For each question to the solver, and for the rounds of one pair.
_SECONDS = 600
_MOST_SECONDS = 60


class Analyzer:
    """Cedar's analyzer with one pair of policies, in a process of its own. A context manager."""

    def __init__(self, pair: Pair, folder: Path) -> None:
        texts = {"schema.cedarschema": pair.schema, "old.cedar": as_cedar(pair.old), "new.cedar": as_cedar(pair.new)}
        for name, text in texts.items():
            (folder / name).write_text(text)
        solver = [sys.executable, str(_SOLVER), f"--tlimit-per={_SECONDS * 1000}"]
        command = [str(_ANALYZER), *(str(folder / name) for name in texts), *solver]
        environment = {"PYTHONPATH": str(_BUILT / "site")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Analyzer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The analyzer ends with its input.
        self._process.communicate()

    def ask(self) -> dict[str, Any]:
        """One round. Raises RuntimeError where there is no answer; the analyzer has said why."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("Cedar's analyzer gave no answer")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Prover:
    """Our side of one pair: OPA's plans, the contract of both sides, the engines that confirm. A context manager."""

    def __init__(self, pair: Pair, folder: Path, opa: Opa, solver: Solver) -> None:
        self._opa, self._solver = opa, solver
        self._contract = contract("1.0.0", pair.claims, ACTIONS)
        with ExitStack() as stack:
            engines = []
            for name, rules in (("old", pair.old), ("new", pair.new)):
                (folder / name).mkdir()
                (folder / name / "authz.rego").write_text(as_rego(rules))
                engines.append(stack.enter_context(BatchEngine(opa, folder / name, self._contract.decision_path)))
            self._stack = stack.pop_all()
        begun = time.perf_counter()
        plans = [build_plan(opa, engine.files, self._contract.decision_path) for engine in engines]
        self.plan_ms = _since(begun)
        self._policies = Policy(plans[0]), Policy(plans[1])
        self._decisions = Decisions(self._contract, self._contract, (engines[0], engines[1]))

    def __enter__(self) -> Prover:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self) -> tuple[bool, float]:
        """Whether nobody gains access, and the milliseconds of walk and solver."""
        begun = time.perf_counter()
        calls = BuiltinCalls(self._opa)
        question = encode((self._contract, self._contract), self._policies, calls, request_of=1)
        goals = [question.allowed(1), neg(question.allowed(0))]
        candidate = Session(question, self._solver).candidate(goals)
        taken = _since(begun)
        # Only then is the lack of a candidate a proof.
        assert question.complete, question.short_lists
        assert not candidate.reason, candidate.reason
        assert not any(walked.errors for walked in question.executed)
        if candidate.scenario is not None:
            assert self._decisions.changed_decisions([candidate.scenario], widening=True), (
                "OPA does not confirm the witness"
            )
        return candidate.scenario is None, taken


def _since(begun: float) -> float:
    return 1000 * (time.perf_counter() - begun)


def built() -> bool:
    """Whether Cedar's analyzer and its solver are there."""
    return _ANALYZER.exists() and (_BUILT / "site").exists()


def report(opa: Opa, *, most_rules: int, rounds: int) -> str:
    """The table, or why there is none."""
    return table(_HEAD, measure(opa, most_rules=most_rules, rounds=rounds)) if built() else _LEFT_OUT


def measure(opa: Opa, *, most_rules: int, rounds: int) -> list[list[str]]:
    """One row for each size and kind."""
    sizes = tuple(size for size in SIZES if size[0] <= most_rules)
    with Solver() as solver:
        return [_row(pair, opa, solver, rounds) for pair in pairs(sizes)]


def _row(pair: Pair, opa: Opa, solver: Solver, rounds: int) -> list[str]:
    name = f"{pair.rules} rules, {pair.attributes} attributes, {pair.kind}"
    rows: list[tuple[float, float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="entitlements-bench-") as work, ExitStack() as stack:
        prover = stack.enter_context(Prover(pair, Path(work), opa, solver))
        analyzer = stack.enter_context(Analyzer(pair, Path(work)))
        begun = time.perf_counter()
        for _ in range(rounds + 1):
            holds, taken = prover.ask()
            answer = analyzer.ask()
            assert holds == pair.holds, f"the proof is wrong: {name}"
            assert answer["holds"] == pair.holds, f"Cedar's analyzer is wrong: {name}"
            assert answer["confirmed"] == (not pair.holds), f"Cedar's authorizer does not confirm: {name}"
            assert answer["environments"] == len(ACTIONS), f"Cedar's schema has other requests: {name}"
            rows.append((taken, answer["parse_ms"], answer["compile_ms"], answer["solve_ms"]))
            if _since(begun) > 1000 * _MOST_SECONDS:
                break
    # The first round warmed both up; it counts where it took so long that there is no other.
    counted = rows[1:] or rows
    proof, parsed, compiled, solved = (statistics.median(values) for values in zip(*counted, strict=True))
    milliseconds = [f"{value:.0f}" for value in (prover.plan_ms, proof, parsed, compiled, solved)]
    theirs = compiled + solved
    ratios = [f"{proof / theirs:.2f}", f"{(prover.plan_ms + proof) / (parsed + theirs):.2f}"]
    return [str(pair.rules), str(pair.attributes), pair.kind, *milliseconds, *ratios]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cedar", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rules", type=int, default=1000, help="rules of the largest policy that is proved")
    options = parser.parse_args(arguments)
    found = find_opa(
        configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""), tools=ROOT / ".tools", search_path=os.environ["PATH"]
    )
    print(report(Opa(found), most_rules=options.rules, rounds=options.rounds))
    return 0 if built() else 1


if __name__ == "__main__":
    sys.exit(main())
