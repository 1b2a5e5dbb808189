"""docs/changing.md names files and tests that exist, for each change some of both."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "changing.md").read_text(encoding="utf-8")
CHANGES = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
_FILE = re.compile(r"`([\w.-]+/[\w./-]+|[\w-]+\.(?:md|toml))(?:::(\w+))?`")


def named(text: str) -> list[tuple[str, str]]:
    """The paths in a text, each with the test that is named in it, or with nothing."""
    return _FILE.findall(text)


def missing(path: str, test: str) -> bool:
    """Whether the repository lacks the file, or the file lacks the test."""
    file = ROOT / path
    if not test:
        return not file.exists()
    functions = ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else ()
    return not any(isinstance(node, ast.FunctionDef) and node.name == test for node in functions)


def test_changing_page_has_twelve_changes() -> None:
    assert len(CHANGES) == 12


@pytest.mark.parametrize("change", CHANGES)
def test_change_lists_files_in_order_and_the_tests_that_notice(change: str) -> None:
    steps, _, notice = CHANGES[change].partition("\nNoticed by: ")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", steps, re.M)]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert any(path.startswith("entitlements/") for path, _ in named(steps))
    assert named(notice)
    assert all(path.startswith("tests/") for path, _ in named(notice))


def test_every_path_and_test_of_the_changing_page_exists() -> None:
    assert [one for one in named(PAGE) if missing(*one)] == []


@pytest.mark.parametrize(
    "text", ["`entitlements/no_such.py`", "`tests/docs/test_changing.py::test_of_nothing`", "`tests/no.py::test_x`"]
)
def test_path_or_test_that_is_not_there_is_noticed(text: str) -> None:
    assert [missing(*one) for one in named(text)] == [True]
