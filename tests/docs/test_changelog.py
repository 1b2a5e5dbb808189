"""CHANGELOG.md keeps the form of Keep a Changelog: each entry once, in a group, in one line that a user can act on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
GROUPS = ["Security", "Added", "Changed", "Deprecated", "Removed", "Fixed"]
_LONG = 330
MEND = (
    "CHANGELOG.md was merged line by line: take the one of the main branch (`git checkout main -- CHANGELOG.md`) "
    "and put your entry first in its group, in one line"
)


def versions(changelog: str) -> dict[str, str]:
    """The part of each version, by its heading."""
    parts = re.split(r"^## (.*)$", changelog, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def groups(part: str) -> dict[str, list[str]]:
    """The lines of each group of a version, by its heading."""
    parts = re.split(r"^### (.*)$", part, flags=re.M)
    return {name: text.strip().splitlines() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def entries(changelog: str) -> list[str]:
    return [line for line in changelog.splitlines() if line.startswith("- ")]


def test_versions_have_a_number_and_a_date_and_what_is_not_released_comes_first() -> None:
    first, *others = versions(CHANGELOG)
    assert first == "Unreleased"
    for heading in others:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading), heading


def test_groups_are_the_usual_ones_each_once_and_in_one_order() -> None:
    for version, part in versions(CHANGELOG).items():
        named = re.findall(r"^### (.*)$", part, re.M)
        assert named == [group for group in GROUPS if group in named], f"{version}: {MEND}"


def test_every_entry_stands_once() -> None:
    twice = [entry for entry, count in Counter(entries(CHANGELOG)).items() if count > 1]
    assert not twice, MEND


def test_an_entry_is_one_line() -> None:
    for part in versions(CHANGELOG).values():
        for name, lines in groups(part).items():
            assert lines, f"`{name}` has no entry"
            for line in lines:
                assert line.startswith("- "), f"`{line}`: {MEND}"
                assert len(line) <= _LONG, f"an entry is one line for a user: `{line}`"
