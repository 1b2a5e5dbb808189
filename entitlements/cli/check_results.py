"""A report as a list of results, each at one place: what annotations and SARIF tell, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.change_check import Finding, Report
from entitlements.cli.check_formats import TITLES, witness_lines
from entitlements.errors import EntitlementsError, Fault
from entitlements.proof import Answer, Witness

ERROR, WARNING, NOTE = "error", "warning", "note"
GATE = "no_new_access"


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was found. rule: its id; level: `error`, `warning` or `note`; fingerprint: of its meaning.

    file, line: where the change stands that makes it so; a note fails nothing.
    """

    rule: str
    level: str
    message: str
    file: str
    line: int
    fingerprint: str = ""


def results(reports: Sequence[Report]) -> list[Result]:
    """Findings, witnesses, answers that are not known, and approvals that cannot stand."""
    return [one for report in reports for one in _of_report(report)]


def _of_report(report: Report) -> Iterator[Result]:
    for finding in report.findings:
        level = ERROR if finding.gates and not finding.approved else NOTE
        yield Result(finding.change.rule, level, finding.message, *place_of(report, finding), finding.fingerprint)
    for name, answer in report.answers.items():
        yield from _of_answer(report, name, answer)
    for problem in report.problems:
        yield Result(problem.code, ERROR, problem.message, problem.file, problem.line)


def _of_answer(report: Report, name: str, answer: Answer) -> Iterator[Result]:
    fails = ERROR if name == GATE else WARNING
    for one in answer.witnesses:
        message = "\n".join([f"{TITLES[name]}: {answer.answer}", *(line.strip() for line in witness_lines(one))])
        yield Result(name, NOTE if one.approved else fails, message, *_changed(report, one), one.fingerprint)
    if not answer.passes and (answer.reason or not answer.witnesses):
        message = f"{TITLES[name]}: {answer.answer}: {answer.reason or answer.coverage}"
        yield Result(name, NOTE if answer.accepted else fails, message, report.new.file, 1, answer.fingerprint)


def place_of(report: Report, finding: Finding) -> tuple[str, int]:
    """Where a finding stands in the new version: the line itself, or where what is gone is missing."""
    if finding.change.new is None:
        return report.new.file, report.new.lines.line_of(finding.change.path)
    return finding.file, finding.line


def _changed(report: Report, witness: Witness) -> tuple[str, int]:
    """The changed line of the contract that a witness hangs on."""
    for finding in report.findings:
        named = finding.change.claim or ("scope" if finding.change.path.startswith("scopes.") else "")
        if finding.access == "asked" and named in witness.changed:
            return place_of(report, finding)
    return report.new.file, 1


def relative(file: str) -> str:
    """A file as seen from where the command runs, if it is below: that is where a CI server looks for it."""
    path = Path(file)
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_absolute() and path.is_relative_to(here) else path.as_posix()


def faults_of(error: EntitlementsError) -> list[tuple[Fault, str]]:
    """Every fault of an error, or the error as one, each with all that is to be said of it but its place."""
    faults = getattr(error, "faults", ()) or (Fault(error.code, error.message),)
    return [(fault, _said(error, fault)) for fault in faults]


def _said(error: EntitlementsError, fault: Fault) -> str:
    if fault.message in error.message:
        return error.message
    return ": ".join(part for part in (error.message, fault.path, fault.message) if part)
