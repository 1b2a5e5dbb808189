"""What the README shows before its tour is true: a session as it really prints, and a picture that anyone can open."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LEFT_OUT = "…"
SESSIONS: list[str] = re.findall(r"^```console\n(.*?)^```$", README, re.M | re.S)
PICTURES = sorted((ROOT / "docs" / "images").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def split(session: str) -> tuple[list[str], list[str]]:
    """The commands of a session (after `$`), and the lines that are shown as their output."""
    lines = session.splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")], [line for line in lines if not line.startswith("$ ")]


def printed(commands: list[str], folder: Path, opa: Opa) -> list[str]:
    """What the commands print, run by a shell in the repository with `entitlements` on its path."""
    command = folder / "entitlements"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m entitlements "$@"\n')
    command.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTITLEMENTS_")}
    environment |= {"PATH": f"{folder}:{os.environ['PATH']}", "ENTITLEMENTS_OPA_BIN": str(opa)}
    done = subprocess.run(
        ["bash", "-c", "\n".join(commands)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout.splitlines()


def is_excerpt(shown: list[str], real: list[str]) -> bool:
    """Whether the shown lines are the real ones, from the first to the last, without what is marked as left out."""
    parts = "\n".join(["", *shown, ""]).split(f"\n{LEFT_OUT}\n")
    pattern = r"\n(?:.*\n)+".join(re.escape(part.strip("\n")) for part in parts)
    return re.fullmatch(pattern, "\n".join(real)) is not None


def test_there_is_one_session_and_it_is_on_the_first_screen() -> None:
    assert len(SESSIONS) == 1
    assert README[: README.index("```console")].count("\n") < 20


def test_the_session_shows_a_refuted_check_in_a_dozen_lines() -> None:
    _, shown = split(SESSIONS[0])
    assert len(shown) <= 14
    assert any("nobody gains access: refuted" in line for line in shown)


def test_the_session_is_what_the_command_prints(tmp_path: Path, opa: Opa) -> None:
    commands, shown = split(SESSIONS[0])
    real = printed(commands, tmp_path, opa)
    assert is_excerpt(shown, real), "README.md shows other lines than the command prints:\n" + "\n".join(real)


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        (["a", "b", "c", "d"], True),
        (["a", "…", "d"], True),
        (["a", "…", "c", "d"], True),
        (["a", "x", "c", "d"], False),
        (["a", "c", "d"], False),
        (["a", "b", "c"], False),
        (["b", "c", "d"], False),
        (["a", "b", "…", "c", "d"], False),
        (["a", "…", "b", "a", "…", "d"], False),
    ],
)
def test_an_excerpt_leaves_out_only_what_it_marks(shown: list[str], same: bool) -> None:
    assert is_excerpt(shown, ["a", "b", "c", "d"]) is same


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 320


def test_every_page_is_reached_from_the_readme() -> None:
    found, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        found.add(page)
        links = (page.parent / target for target in re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", page.read_text()))
        ahead += [link for link in {link.resolve() for link in links} if link.is_file() and link not in found]
    assert set((ROOT / "docs").rglob("*.md")) - found == set(), "link the page from the README or from another page"


def test_there_is_a_picture() -> None:
    assert [str(file.relative_to(ROOT)) for file in PICTURES if str(file.relative_to(ROOT)) in README]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda file: file.name)
def test_a_picture_is_told_in_words_and_loads_nothing(picture: Path) -> None:
    text = picture.read_text()
    drawing = ElementTree.fromstring(text)
    for part in ("title", "desc"):
        found = drawing.find(f"{SVG}{part}")
        assert found is not None
        assert found.text
    assert drawing.get("role") == "img"
    assert text.count("http") == 1, "only the namespace is an address"
    assert not re.search(r"<script|<image|<foreignObject|@import|url\((?!#)", text)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda file: file.name)
def test_a_picture_has_colours_for_light_and_dark_and_a_ground_of_its_own(picture: Path) -> None:
    light, dark = re.findall(r"svg \{ (--.*?) \}", picture.read_text())
    names = [set(re.findall(r"(--[a-z]+):", colours)) for colours in (light, dark)]
    assert names[0] == names[1]
    used = set(re.findall(r"var\((--[a-z]+)\)", picture.read_text()))
    assert used == names[0]


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda file: file.name)
def test_a_picture_is_legible_in_light_and_dark(picture: Path) -> None:
    for scheme in re.findall(r"svg \{ (--.*?) \}", picture.read_text()):
        colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", scheme))
        grounds = [colours[name] for name in ("ground", "lane", "box")]
        for ink in ("ink", "soft", "accent", "good", "bad", "doubt"):
            for ground in grounds:
                assert contrast(colours[ink], ground) >= 4.5, (ink, ground)
