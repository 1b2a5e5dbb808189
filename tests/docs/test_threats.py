"""docs/threats.md: each id that a test or a vector cites is there, and each test that it names exists."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threats.md"
_ROW = re.compile(r"^\| ([A-Z][0-9]+) \| .+ \| .+ \| `([^`]+)` \|$", re.MULTILINE)
_CITED = re.compile(r"\b[A-Z][0-9]{1,2}\b")
# What a docstring may mean by a character and a number beside a threat.
_NO_THREATS = {"Z3"}
ROWS = _ROW.findall(PAGE.read_text(encoding="utf-8"))
IDS = {identifier for identifier, _ in ROWS}


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring of the tests, with where it stands."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
                name = path.relative_to(ROOT).as_posix()
                yield f"{name}::{getattr(node, 'name', '')}", ast.get_docstring(node) or ""


def test_each_id_that_a_test_cites_can_be_looked_up() -> None:
    cited = [(place, one) for place, text in docstrings() for one in _CITED.findall(text)]
    assert len(cited) > 50
    assert [(place, one) for place, one in cited if one not in IDS | _NO_THREATS] == []


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "vectors").glob("*.json")), ids=lambda path: path.name)
def test_each_threat_of_a_vector_can_be_looked_up(file: Path) -> None:
    vectors = json.loads(file.read_text(encoding="utf-8"))
    assert {vector["threat"] for vector in vectors} <= IDS


@pytest.mark.parametrize(("identifier", "named"), ROWS, ids=[identifier for identifier, _ in ROWS])
def test_each_test_that_is_named_exists(identifier: str, named: str) -> None:
    file, _, name = named.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"}
    assert tests
    assert not name or name in tests, f"{identifier} names a test that is not in {file}"


def test_each_row_of_the_page_is_read_and_no_id_stands_twice() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Z][0-9]", line)]
    assert len(lines) == len(ROWS)
    assert [one for one, number in Counter(identifier for identifier, _ in ROWS).items() if number > 1] == []
