"""Annotations of GitHub's workflow commands: one a result, on file and line."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.change_check import Report
from entitlements.cli.check_results import ERROR, WARNING, faults_of, relative, results
from entitlements.errors import EntitlementsError

_COMMANDS = {ERROR: "error", WARNING: "warning"}


def github(reports: Sequence[Report]) -> str:
    """The annotations of some reports."""
    return "\n".join(
        _annotation(_COMMANDS.get(one.level, "notice"), one.rule, one.file, one.line, one.message)
        for one in results(reports)
    )


def github_error(error: EntitlementsError) -> str:
    """The annotations of an error: one for each of its faults, or one for it."""
    return "\n".join(_annotation("error", fault.code, fault.file, fault.line, said) for fault, said in faults_of(error))


def _annotation(command: str, title: str, file: str, line: int, message: str) -> str:
    place = f"file={_property(relative(file))},line={line or 1}," if file else ""
    return f"::{command} {place}title={_property(title)}::{_data(message)}"


def _data(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
