"""The solver's own process: run as a script, with the limit of its memory in MiB. Only here is Z3 imported."""

from __future__ import annotations

import json
import re
import resource
import sys
from typing import Any


def main(memory_mb: int) -> None:
    """Answer questions from standard input, one JSON document a line."""
    limit = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        import z3
    except ImportError:
        sys.stdin.readline()
        print(json.dumps({"fault": "the package z3-solver is not installed"}), flush=True)
        return
    z3.set_param("memory_max_size", memory_mb * 3 // 4)
    version = z3.get_version_string()
    context = None
    for line in sys.stdin:
        question = json.loads(line)
        # Whoever begins finds nothing of what others asked before.
        context = z3.Context() if question["begins"] or context is None else context
        try:
            answer = _solve(z3, context, question["script"], question["seconds"])
        except z3.Z3Exception as error:
            said = error.args[0] if error.args else ""
            answer = {"fault": said.decode(errors="replace") if isinstance(said, bytes) else str(said)}
        print(json.dumps({**answer, "version": version}), flush=True)


def _solve(z3: Any, context: Any, script: str, seconds: float) -> dict[str, Any]:
    solver = z3.Solver(ctx=context)
    solver.set("timeout", int(seconds * 1000))
    solver.from_string(script)
    answer = solver.check()
    if answer == z3.unsat:
        return {"answer": "unsat"}
    if answer == z3.unknown:
        return {"answer": "unknown", "reason": f"the solver gave up: {solver.reason_unknown()}"}
    model = solver.model()
    # The variables of a question are named `v…`; what else there is are definitions.
    variables = [d for d in model.decls() if d.arity() == 0 and d.name().startswith("v")]
    return {"answer": "sat", "model": {d.name(): _shown(z3, model[d]) for d in variables}}


def _shown(z3: Any, value: Any) -> str:
    if z3.is_string_value(value):
        return _decoded(value.as_string())
    if z3.is_rational_value(value):
        return f"{value.numerator_as_long()}/{value.denominator_as_long()}"
    if z3.is_algebraic_value(value):
        approximated = value.approx(20)
        return f"{approximated.numerator_as_long()}/{approximated.denominator_as_long()}"
    return str(value).lower()


def _decoded(string: str) -> str:
    """A string in the solver's spelling, `\\u{1f600}` for what is not plain ASCII."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), string)


if __name__ == "__main__":
    main(int(sys.argv[1]))
