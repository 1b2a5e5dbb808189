"""What every command prints the same way: faults, tables, JSON, and colours on a terminal only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

import click

from entitlements.errors import DecisionUnavailable, EntitlementsError, NotFollowed, ProofFailed, StartupFault
from entitlements.model import MAX_TOKEN_BYTES
from entitlements.settings import Settings, load_settings
from entitlements.terminal import paint

FAILED, USAGE, NO, NO_ANSWER = 1, 2, 3, 4

format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Who reads it."
)
token_option = click.option(
    "--token-file", type=click.File("rb"), default="-", help="The access token; `-` is standard input."
)


def read_token(file: IO[bytes]) -> str:
    """The token in a file, without what is around it. Octets of no token stay what they are: no token."""
    return file.read(2 * MAX_TOKEN_BYTES).decode("latin-1").strip()


def read_settings() -> Settings:
    """The settings of this process. Raises StartupFault."""
    return load_settings(os.environ)


def settings() -> Settings:
    """The settings of this process, or its faults and exit code 2."""
    try:
        return read_settings()
    except StartupFault as fault:
        fail(fault)


def fail(error: EntitlementsError) -> NoReturn:
    """Print an error with all its faults and end with the exit code of its kind."""
    click.echo(f"{paint('error:', 'red', err=True)} {error.message}", err=True)
    for fault in getattr(error, "faults", ()):
        click.echo(f"  {fault}", err=True)
    sys.exit(exit_code(error))


def exit_code(error: EntitlementsError) -> int:
    """The exit code of an error's kind."""
    no_answer = isinstance(error, (DecisionUnavailable, NotFollowed))
    return FAILED if isinstance(error, ProofFailed) else NO_ANSWER if no_answer else USAGE


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by their widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = "  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)).rstrip()
    return "\n".join([title, "  ".join("-" * width for width in widths), *lines])


def as_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
