"""Every code that the program can give is documented, and every documented code can be given."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from entitlements.contract.keywords import VIOLATIONS
from entitlements.engine.answer import POLICY_ERROR, POLICY_UNDEFINED
from entitlements.pdp import CONTRACT_VIOLATED
from entitlements.token import Refusal

ROOT = Path(__file__).resolve().parents[2]
CARRIERS = {
    *("StartupFault", "ContractsInvalid", "JSONRefused", "RequestInvalid", "TokenRejected", "KeysUnavailable"),
    *("Unsupported", "PlanUnknown", "SolverFailed", "ModelMismatch"),
    *(
        "IntrospectionUnavailable",
        "EngineUnavailable",
        "DecisionLogUnavailable",
        "DecisionUnavailable",
        "Fault",
        "Violation",
        "Refused",
    ),
}
# Codes that stand in a variable or a tuple where they are given, each in the file named.
OTHERS = {
    "entitlements/contract/keywords.py": {code for code, _ in VIOLATIONS.values()},
    "entitlements/contract/conformance.py": {"not_conforming"},
    "entitlements/readiness.py": {"key_leaked"},
    "entitlements/engine/http_answer.py": {"policy_error", "engine_answer_invalid"},
}


def codes_in_source() -> set[str]:
    found = {refusal.value for refusal in Refusal} | {POLICY_ERROR, POLICY_UNDEFINED, CONTRACT_VIOLATED}
    for path in (ROOT / "entitlements").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CARRIERS:
                found |= {
                    argument.value
                    for argument in [*node.args, *(keyword.value for keyword in node.keywords)]
                    if isinstance(argument, ast.Constant)
                    and isinstance(argument.value, str)
                    and re.fullmatch(r"[a-z]+(_[a-z]+)+", argument.value)
                }
            if path.name == "lint.py" and isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
                first = node.value.elts[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
        for code in OTHERS.get(path.relative_to(ROOT).as_posix(), set()):
            assert f'"{code}"' in path.read_text()
            found.add(code)
    # error names of the one answer shape
    problems = (ROOT / "entitlements" / "web" / "problems.py").read_text()
    return found | set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', problems)) - {"valid_methods"}


def codes_in_docs() -> set[str]:
    cells = re.findall(r"^\|([^|]*)\|([^|]*)\|", (ROOT / "docs" / "errors.md").read_text(), re.M)
    return {code for row in cells for cell in row for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", cell)} - {
        *("client_id", "decision_id", "max_lifetime", "expires_at")
    }


def test_every_code_in_the_source_is_documented() -> None:
    assert codes_in_source() - codes_in_docs() - {"retry_after", "error_description", "decision_id", "effect"} == set()


def test_every_documented_code_is_in_the_source() -> None:
    assert codes_in_docs() - codes_in_source() == set()
