"""docs/architecture.md names the rooms that there are, and its example shows what the passes of the proof give."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from entitlements.engine import Opa

from .worked_example import BLOCKS, PAGE, ROOT


@pytest.fixture(scope="module")
def example(opa: Opa) -> dict[str, str]:
    command = [sys.executable, "-m", "tests.docs.worked_example", str(opa)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120)
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("made", ["plan", "conditions", "query", "witness"])
def test_the_example_shows_what_a_pass_gives_today(example: dict[str, str], made: str) -> None:
    assert example[made] in BLOCKS


def test_the_page_names_every_room() -> None:
    folders = [*(ROOT / "entitlements").glob("*/*.py"), *(ROOT / "entitlements/proof/symbolic").glob("*/*.py")]
    rooms = sorted({file.parent.name for file in folders})
    assert [room for room in rooms if f"`{room}" not in PAGE] == []
