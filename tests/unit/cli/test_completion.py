"""Shells can complete commands, options and values, although a command is loaded only when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def complete(line: str, tmp_path: Path) -> list[str]:
    """What bash is offered for the last word of the line, as click's completion function asks for it."""
    command = tmp_path / "entitlements"
    command.write_text("import sys\nfrom entitlements.cli import main\n\nsys.exit(main())\n")
    done = subprocess.run(
        [sys.executable, str(command)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_ENTITLEMENTS_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("entitlements con", ["plain,contract"]),
        ("entitlements contract ch", ["plain,check"]),
        ("entitlements contract check --form", ["plain,--format"]),
        ("entitlements contract check --format js", ["plain,json"]),
        ("entitlements contract no-such", []),
    ],
)
def test_the_last_word_is_completed(line: str, offered: list[str], tmp_path: Path) -> None:
    assert complete(line, tmp_path) == offered


def test_a_folder_is_asked_of_the_shell(tmp_path: Path) -> None:
    assert complete("entitlements contract check --policies ", tmp_path) == ["dir,"]
