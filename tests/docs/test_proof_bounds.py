"""docs/proof-bounds.md names every limit of the proof with the value that it has in the code, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from entitlements.proof.soundness import SOUNDNESS

ROOT = Path(__file__).resolve().parents[2]
PROOF = ROOT / "entitlements" / "proof"
PAGE = (ROOT / "docs/proof-bounds.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \| `([\w/]+\.py)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def constants() -> Iterator[tuple[str, str, float]]:
    """Module, name and value of each number that a module of the proof names in capitals."""
    for file in sorted(PROOF.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for statement in tree.body:
            if isinstance(statement, ast.Assign) or (isinstance(statement, ast.AnnAssign) and statement.value):
                yield from numbers(file.relative_to(PROOF).as_posix(), statement)


def numbers(module: str, statement: ast.Assign | ast.AnnAssign) -> Iterator[tuple[str, str, float]]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        grouped = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
        values = statement.value.elts if grouped and isinstance(statement.value, ast.Tuple) else [statement.value]
        for name, value in zip(names, values, strict=False):
            if isinstance(name, ast.Name) and name.id.isupper() and (found := number(value)) is not None:
                yield module, name.id, found


def number(value: ast.expr | None) -> float | None:
    """The number that an expression of numbers comes to; None for any other expression."""
    if value is None or any(not isinstance(part, ALLOWED) for part in ast.walk(value)):
        return None
    found = eval(compile(ast.Expression(value), "constant", "eval"), {})
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


ALLOWED = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)


def test_the_page_names_every_limit_of_the_code_with_its_value() -> None:
    documented = {(module, name): float(value) for name, value, module, _, _ in ROW.findall(PAGE)}
    in_code = {(module, name): float(value) for module, name, value in constants()}
    in_code["soundness.py", "SOUNDNESS"] = documented["soundness.py", "SOUNDNESS"]
    assert documented == in_code


def test_the_page_says_the_soundness_of_today() -> None:
    assert f"| `SOUNDNESS` | {SOUNDNESS} |" in PAGE


def test_the_prose_repeats_limits_as_they_are() -> None:
    values = {name: int(value) for module, name, value in constants() if module.startswith("symbolic")}
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    proof = (ROOT / "docs/proof.md").read_text(encoding="utf-8")
    for sentence, name in (
        ("the first {} are exact", "_SEGMENTS"),
        ("Up to {} further ones", "_BEYOND"),
        ("more than {} elements are needed", "MOST_LOOKED_AT"),
    ):
        assert sentence.format(words[values[name]]) in PAGE
    assert f"The first {words[values['_SEGMENTS']]} segments of a string" in proof
    assert f"more than {words[values['_MOST_SLOTS']]} elements read by position" in proof
    assert f"{values['_INPUTS']} random inputs" in proof
