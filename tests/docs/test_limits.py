"""docs/reference/limits.md names every limit outside the proof with the value that it has in the code, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.docs.test_proof_bounds import numbers

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "entitlements"
PAGE = (ROOT / "docs/reference/limits.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \| `([\w/]+\.py)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# Numbers that bound nothing: exit codes, formats, and what files, protocols and curves are made of.
NO_LIMITS: dict[str, set[str]] = {
    "checking/record.py": {"_VERSION"},
    "checking/report.py": {"HOLDS", "DISAGREE", "NO", "NO_ANSWER"},
    "cli/contract_init.py": {"_A_DAY"},
    "cli/render.py": {"FAILED", "USAGE", "NO", "NO_ANSWER"},
    "client/connection.py": {"READ_BYTES"},
    "contract/changes.py": {"_MAJOR", "_MINOR", "_PATCH", "_NONE"},
    "contract/trusted_time.py": {"_STEP"},
    "engine/child_question.py": {"READ_BYTES"},
    "engine/unix_socket.py": {"_SOL_LOCAL", "_LOCAL_PEERCRED", "_LOCAL_PEERPID", "_XUCRED_BYTES"},
    "release/archive.py": {"_BLOCK", "_STORED"},
    "release/release.py": {"_FORMAT"},
    "token/bounded_http.py": {"_CHUNK"},
    "token/cache.py": {"_BYTES_PER_ENTRY"},
    "token/edwards.py": {"_P", "_Y_OF_ORDER_8"},
    "token/introspection/memory.py": {"_BYTES_PER_ENTRY"},
    "token/nonces.py": {"_TIME_BYTES", "_MAC_BYTES"},
}


def constants() -> dict[tuple[str, str], float]:
    """The value of each number that a module outside the proof names in capitals."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        module = file.relative_to(PACKAGE).as_posix()
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and not module.startswith("proof/"):
                found |= {(module, name): float(value) for module, name, value in numbers(module, statement)}
    return found


def test_the_page_names_every_limit_of_the_code_with_its_value() -> None:
    documented = {(module, name): float(value) for name, value, module, _, _ in ROW.findall(PAGE)}
    none = {(module, name) for module, names in NO_LIMITS.items() for name in names}
    in_code = constants()
    assert none <= in_code.keys(), "a number that is gone is no exception any more"
    assert documented == {key: value for key, value in in_code.items() if key not in none}
