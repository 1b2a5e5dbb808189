"""docs/reference/cli.md is what `make reference` writes: every command, option, default, exit code and example."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
WRITER: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "cli_page.py"))
COMMANDS = {" ".join(path): command for path, command in WRITER["commands"](WRITER["main"])}


def test_cli_page_is_up_to_date() -> None:
    assert WRITER["page"]() == PAGE, "run `make reference`"


def test_cli_page_has_every_command_and_no_other() -> None:
    assert set(re.findall(r"^## entitlements (.+)$", PAGE, re.M)) == COMMANDS.keys() == WRITER["EXIT_CODES"].keys()


def test_cli_page_has_every_option() -> None:
    for name, command in COMMANDS.items():
        part = PAGE.partition(f"## entitlements {name}\n")[2].partition("\n## ")[0]
        options = [option for param in command.params for option in param.opts if option.startswith("--")]
        assert {option for option in options if f"`{option}" not in part} == set(), name


def test_cli_page_shows_an_example_of_every_command() -> None:
    for name in COMMANDS:
        part = PAGE.partition(f"## entitlements {name}\n")[2].partition("\n## ")[0]
        (example,) = re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S)
        assert f"entitlements {name}" in example


def test_exit_codes_of_a_help_text_are_those_of_the_page() -> None:
    for name, command in COMMANDS.items():
        told = " ".join(re.findall(r"Exit code ([^.]*)\.", command.help or ""))
        codes = {int(code) for code in re.findall(r"\b([0-4]):", told)}
        assert codes - {1, 2} <= WRITER["EXIT_CODES"][name].keys(), name
