"""Annotations of GitHub's workflow commands: one a result, on file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entitlements.checking.formats import unchanged_line
from entitlements.checking.results import ERROR, WARNING, Result, faults_of, relative, results
from entitlements.checking.step import Report
from entitlements.errors import EntitlementsError

_COMMANDS = {ERROR: "error", WARNING: "warning"}


def github(reports: Sequence[Report]) -> str:
    """The annotations of some reports; what is unchanged is reported as a notice."""
    lines = [_annotation("notice", "unchanged", "", 0, line) for one in reports if (line := unchanged_line(one))]
    return "\n".join([*lines, *(line for one in reports for line in _of_report(one))])


def _of_report(report: Report) -> Iterator[str]:
    """One annotation for each finding, and one for all witnesses of a cause: GitHub shows ten errors of a step."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for number, one in enumerate(results([report])):
        key = (number,) if one.cause is None else (one.rule, one.level, one.cause)
        groups.setdefault(key, []).append(one)
    for first, *others in groups.values():
        more = [f"of the same cause, {len(others)} more:", *(one.message for one in others)] if others else []
        message = "\n".join([first.message, *more])
        yield _annotation(_COMMANDS.get(first.level, "notice"), first.rule, first.file, first.line, message)


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
