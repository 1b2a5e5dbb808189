"""What keeps a check from being made, in the format that was asked for, once: on standard output, as a report is."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import click

from entitlements.checking.formats import cell
from entitlements.cli import render
from entitlements.errors import EntitlementsError, StartupFault

Writings = Sequence[tuple[str, Path]]


def fail(error: EntitlementsError, form: str, writings: Writings = ()) -> NoReturn:
    """Tell an error in a format and end with the exit code of its kind; `text` goes to standard error.

    writings: formats and files that it is to be given in as well.
    """
    for other, file in writings:
        # The first error is the one to tell, also where it cannot be written.
        with contextlib.suppress(StartupFault):
            write(file, ERRORS[other](error) if other in ERRORS else _plain(error))
    if form not in ERRORS:
        render.fail(error)
    click.echo(ERRORS[form](error))
    sys.exit(render.exit_code(error))


def write(file: Path, text: str) -> None:
    """Write a report, or an error, into a file. Raises StartupFault `report_unwritable`."""
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StartupFault("report_unwritable", f"`{file}` cannot be written: {error.strerror}") from None


def fail_usage(error: click.UsageError, form: str, writings: Writings = ()) -> NoReturn:
    """Tell what is wrong with the arguments, in a format; `text` is reported as every command tells it."""
    if form not in ERRORS:
        raise error
    fail(StartupFault("usage_error", error.format_message()), form, writings)


def _plain(error: EntitlementsError) -> str:
    return "\n".join([f"error: {error.message}", *(f"  {fault}" for fault in getattr(error, "faults", ()))])


def _document(error: EntitlementsError) -> dict[str, object]:
    faults = [
        {"code": one.code, "message": one.message, "file": one.file, "line": one.line, "path": one.path}
        for one in getattr(error, "faults", ())
    ]
    return {"code": error.code, "message": error.message, "faults": faults}


def _markdown(error: EntitlementsError) -> str:
    head = f"### Contract check: error\n\n{cell(error.message)}\n"
    faults = [str(fault) for fault in getattr(error, "faults", ()) if str(fault) != error.message]
    return head + "".join(f"\n- {cell(fault)}" for fault in faults)


# The modules of these formats are loaded when one is asked for.
def _junit(error: EntitlementsError) -> str:
    from entitlements.checking.junit import junit_error

    return junit_error(error)


def _sarif(error: EntitlementsError) -> str:
    from entitlements.checking.sarif import sarif_error

    return sarif_error(error, render.exit_code(error))


def _github(error: EntitlementsError) -> str:
    from entitlements.checking.github import github_error

    return github_error(error)


ERRORS: dict[str, Callable[[EntitlementsError], str]] = {
    "json": lambda error: json.dumps({"error": _document(error)}, indent=2, ensure_ascii=False),
    "markdown": _markdown,
    "junit": _junit,
    "sarif": _sarif,
    "github": _github,
}
