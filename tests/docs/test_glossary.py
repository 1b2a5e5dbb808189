"""Retired words are gone: the table of docs/glossary.md, held against the package and the pages."""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
# What tells of attacks quotes what attackers sent.
PAGES = sorted({*ROOT.glob("docs/**/*.md"), ROOT / "README.md"} - {GLOSSARY, *ROOT.glob("docs/attacks/*.md")})
MODULES = sorted(ROOT.glob("entitlements/**/*.py"))
ROW = re.compile(r"^\| ([^|`]+) \| ([^|]+) \|([^|]*)\|$", re.MULTILINE)


def retired() -> list[tuple[str, list[str]]]:
    """Each retired word with the phrases in which it stays."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Retired words")[2]
    rows = [row for row in ROW.findall(table) if row[0] not in ("Retired", "---")]
    return [
        (word.strip(), [long or short for long, short in re.findall(r"`` (.+?) ``|`([^`]+)`", stays)])
        for words, _, stays in rows
        for word in words.split(",")
    ]


def spoken(source: str) -> list[tuple[int, str]]:
    """Identifiers as words, comments and strings of a module, with their lines."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", token.string).lower().replace("_", " ")
            found.append((token.start[0], words))
        elif token.type in (tokenize.COMMENT, tokenize.STRING):
            found += enumerate(token.string.split("\n"), token.start[0])
    return found


def uses(lines: list[tuple[int, str]], word: str, stays: list[str]) -> list[int]:
    wanted = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    return [at for at, line in lines if wanted.search(line) and not any(phrase in line for phrase in stays)]


def test_the_table_names_words_and_where_they_stay() -> None:
    words = dict(retired())
    assert len(words) >= 25
    assert "os.walk" in words["walked"]


def test_a_retired_word_is_found_in_each_place() -> None:
    source = '"""A walk."""\nwalk_block = 1  # a walk\nWalkBlock = os.walk\nsay("a walk")\n'
    assert uses(spoken(source), "walk", ["os.walk"]) == [1, 2, 2, 3, 3, 4]


@cache
def lines_of(path: Path) -> list[tuple[int, str]]:
    """What a module or a page says, line by line."""
    said = path.read_text(encoding="utf-8")
    return spoken(said) if path.suffix == ".py" else list(enumerate(said.split("\n"), 1))


@cache
def lowered(path: Path) -> str:
    return "\n".join(line for _, line in lines_of(path)).lower()


@pytest.mark.parametrize(("word", "stays"), retired(), ids=[word for word, _ in retired()])
def test_a_retired_word_is_used_nowhere(word: str, stays: list[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (*MODULES, *PAGES)
        if word.lower() in lowered(path)
        for line in uses(lines_of(path), word, stays)
    ]
    assert not found, f"write what docs/glossary.md says instead of `{word}`"
