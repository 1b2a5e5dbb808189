"""The site that `make docs` builds: every page is in its navigation and shows what the page shows here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
TOP = {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ITEM = re.compile(r"(?:[-*+]|\d+\.) ")


def leaves(part: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(part, str):
        yield part
    else:
        for inner in part if isinstance(part, list) else part.values():
            yield from leaves(inner)


def swallowed(text: str) -> list[str]:
    """First lines of lists right below a paragraph, which the Markdown of the site takes for its words."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    lines = ["", *prose.splitlines()]
    return [
        line
        for before, line in itertools.pairwise(lines)
        if ITEM.match(line) and before.strip() and not ITEM.match(before) and not before.startswith((" ", "#", "<"))
    ]


def test_navigation_has_every_page_once_and_no_other() -> None:
    named = list(leaves(SITE["nav"]))
    assert len(named) == len(set(named))
    assert set(named) == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES} | TOP, (
        "mend `nav` in mkdocs.yml"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_a_list_begins_after_an_empty_line(page: Path) -> None:
    assert swallowed(page.read_text(encoding="utf-8")) == []


def test_a_list_that_would_be_swallowed_is_noticed() -> None:
    assert swallowed("Words:\n- one\n- two\n  more\n- three\n") == ["- one"]
    assert swallowed("Words:\n\n- one\n- two\n\n```\nwords\n- three\n```\n") == []


def test_site_is_strict_and_asks_nobody_for_fonts() -> None:
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
