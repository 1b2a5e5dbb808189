"""Writes docs/reference/cli.md from the commands themselves (`make reference`); a test holds the page to it."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from entitlements.cli import main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"

# What 0, 3 and 4 say of each command. 1 and 2 mean the same everywhere.
EXIT_CODES: dict[str, dict[int, str]] = {
    "authorize": {0: "allow", 3: "deny, or the token is not accepted", 4: "no decision can be made"},
    "contract approve": {0: "the approval is written", 4: "there is no answer to approve"},
    "contract check": {0: "it passes", 3: "a finding fails the gate", 4: "there is no answer"},
    "contract explain": {0: "it is explained", 4: "there is no answer"},
    "contract init": {0: "the draft is written"},
    "contract lint": {0: "no error", 3: "with `--strict`: there are warnings"},
    "contract lock": {0: "locked, or nothing to lock", 3: "a finding or an invariant fails", 4: "there is no answer"},
    "contract metadata": {0: "the document is printed"},
    "contract rollback": {0: "the earlier release is locked again", 4: "no OPA answers"},
    "contract show": {0: "the contract is shown"},
    "contract usage": {0: "no error", 3: "an undeclared claim is read; with `--strict`: a declared one is not read"},
    "contract verify": {0: "the same, or renewed", 3: "different, or refuted now", 4: "there is no answer"},
    "issuer check": {0: "every contract is honoured", 3: "something has to be set", 4: "the server does not answer"},
    "opa install": {0: "OPA is installed"},
    "policy check": {0: "nobody gains access", 3: "someone gains access", 4: "there is no answer"},
    "policy prove": {0: "all hold", 3: "one is violated", 4: "there is no answer for one"},
    "policy reachable": {0: "every question was answered", 4: "there is no answer for one"},
    "policy report": {0: "everything was answered", 4: "there is no answer for something"},
    "policy upgrade": {0: "nothing is left to do by hand", 3: "something is left to do by hand"},
    "release lockdown": {0: "the bundle is written"},
    "release show": {0: "the release is shown"},
    "release sign": {0: "the release is signed"},
    "schema": {0: "the schema is printed"},
    "serve": {0: "a signal ended it"},
    "token inspect": {0: "the token would be accepted", 3: "it would not be accepted"},
    "token keygen": {0: "the keys are written, or there are keys already"},
    "token mint": {0: "the token is printed"},
    "token prove": {0: "the proof is printed"},
}
_HEAD = """# Command line

Generated from the commands by `make reference`. Every command explains itself with `--help` (`-h`), and reads the
[settings](settings.md) from the environment. A token is read from a file or standard input, never from an argument.

## Exit codes

| Code | Meaning |
|---|---|
| 0 | it holds: allowed, proved, nothing to say against |
| 1 | the tool failed: an error of the machine, of the solver, or a defect |
| 2 | bad usage, or input that cannot be read or used |
| 3 | it does not hold: denied, refuted, a finding |
| 4 | no answer: `unknown`, or nothing that could decide |

1 and 2 are possible for every command; the others are named with it.
"""


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        yield from commands(found, (*path, name)) if found else ()


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for path, command in commands(main) for line in _section(" ".join(path), command))])


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"entitlements {name}", help_option_names=["-h", "--help"])
    yield f"## entitlements {name}\n"
    yield f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```\n"
    text, examples = _examples(inspect.cleandoc(command.help or "") + "\n\n" + (command.epilog or ""))
    yield from (_paragraph(part) for part in text if _paragraph(part).strip())
    rows = [(param, param.get_help_record(context)) for param in command.params if isinstance(param, click.Option)]
    if rows:
        yield "| Option | Default | Meaning |\n|---|---|---|"
        yield from (_option(param, record) for param, record in rows if record)
        yield ""
    yield "| Exit code | Meaning |\n|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES[name].items())
    yield f"\n```sh\n{examples}\n```\n"


def _examples(text: str) -> tuple[list[str], str]:
    """The paragraphs of a help text without its examples and without the list of settings, and the examples."""
    parts = [part.strip("\n") for part in text.split("\n\n") if part.strip("\b\n ")]
    examples = [part for part in parts if re.match(r"(?:\x08\n)?Examples?:", part)]
    rest = [part for part in parts if part not in examples and "Settings, by environment" not in part]
    lines = [line for part in examples for line in part.splitlines() if not re.match(r"\x08|Examples?:", line)]
    return rest, textwrap.dedent("\n".join(lines)).strip()


def _paragraph(part: str) -> str:
    """One paragraph; its exit codes stand in a table of their own."""
    text = re.sub(r"\s*\n\s*", " ", part.replace("\b", "")).strip()
    return re.sub(r"Exit code \d[^.]*\. ?", "", text) + "\n"


def _option(param: click.Option, record: tuple[str, str]) -> str:
    """One row: how it is written, its default, what it means."""
    written, meaning = record
    meaning = re.sub(r"\s*\[default: [^;\]]*; ([^\]]*)\]", r" Range: `\1`.", meaning)
    meaning = re.sub(r"\s*\[(?:default: [^\]]*|required)\]", "", meaning).strip()
    cells = (f"`{_cell(written)}`", _default(param), _cell(meaning))
    return "| " + " | ".join(cells) + " |"


def _default(param: click.Option) -> str:
    if param.required:
        return "required"
    if param.multiple or param.is_flag or param.default is None or callable(param.default):
        return ""
    text = str(param.default)
    return f"`{_cell(text)}`" if text and "UNSET" not in text.upper() else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
