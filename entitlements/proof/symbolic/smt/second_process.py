"""The second solver's own process: run as a script, with the limit of its memory in MiB. Only here is cvc5 imported."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any


def main(memory_mb: int) -> None:
    """Answer questions from standard input, one JSON document a line."""
    limit = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        import cvc5
    except ImportError:
        sys.stdin.readline()
        fault = "the package cvc5 is not installed: pip install 'entitlements[double-check]'"
        print(json.dumps({"fault": fault}), flush=True)
        return
    version = str(cvc5.__version__)
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps({**_solve(cvc5, question["script"], question["seconds"]), "version": version}), flush=True)


def _solve(cvc5: Any, script: str, seconds: float) -> dict[str, Any]:
    """The answer; what cvc5 does not read is undecided, with what it says of it."""
    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("strings-exp", "true")
    solver.setOption("tlimit-per", str(max(1, int(seconds * 1000))))
    symbols = cvc5.SymbolManager(manager)
    parser = cvc5.InputParser(solver, symbols)
    try:
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, f"(set-logic ALL)\n{script}", "query")
        while not (command := parser.nextCommand()).isNull():
            if said := command.invoke(solver, symbols).strip().removeprefix("success"):
                return {"answer": "unknown", "reason": f"cvc5 does not read the query: {_line(said)}"}
        answer = solver.checkSat()
    except RuntimeError as error:
        return {"answer": "unknown", "reason": f"cvc5 does not read the query: {_line(str(error))}"}
    if answer.isUnknown():
        return {"answer": "unknown", "reason": f"cvc5 gave up: {answer.getUnknownExplanation().name.lower()}"}
    return {"answer": "sat" if answer.isSat() else "unsat"}


def _line(said: str) -> str:
    return " ".join(said.split())[:200]


if __name__ == "__main__":
    main(int(sys.argv[1]))
