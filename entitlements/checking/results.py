"""A report as a list of results, each at one place: what annotations and SARIF tell, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.checking.formats import TITLES
from entitlements.checking.step import Finding, Report
from entitlements.checking.words import approve_line, detail_lines, head_line, rules_of, sentence
from entitlements.contract.change_rules import ASKED
from entitlements.errors import EntitlementsError, Fault
from entitlements.proof import Answer, Witness
from entitlements.proof.attribution import FirstRule
from entitlements.proof.grouping import by_cause

ERROR, WARNING, NOTE = "error", "warning", "note"
GATE = "no_new_access"


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was found. rule: its id; level: `error`, `warning` or `note`; fingerprint: of its meaning.

    file, line: where the change stands that makes it so; a note fails nothing; cause: the same number for witnesses of
    one cause, which is None for what is no witness.
    """

    rule: str
    level: str
    message: str
    file: str
    line: int
    fingerprint: str = ""
    cause: int | None = None

    @property
    def head(self) -> str:
        """The message in one line."""
        return self.message.partition("\n")[0]


def results(reports: Sequence[Report]) -> list[Result]:
    """Findings, witnesses, answers that are not known, and approvals that cannot stand."""
    return [one for report in reports for one in _of_report(report)]


def _of_report(report: Report) -> Iterator[Result]:
    for finding in report.findings:
        level = ERROR if finding.gates and not finding.approved else NOTE
        line = approve_line(report, finding.fingerprint) if level == ERROR else ""
        message = f"{finding.message}\n{line}".strip()
        yield Result(finding.change.rule, level, message, *place_of(report, finding), finding.fingerprint)
    for name, answer in report.answers.items():
        yield from _of_answer(report, name, answer)
    for problem in report.problems:
        yield Result(problem.code, ERROR, problem.message, problem.file, problem.line)


def _of_answer(report: Report, name: str, answer: Answer) -> Iterator[Result]:
    fails = ERROR if name == GATE else WARNING
    for cause, group in enumerate(by_cause(answer.witnesses)):
        for one in group:
            level = NOTE if one.approved else fails
            message = _message(report, one, level == ERROR)
            yield Result(name, level, message, *_changed(report, one), one.fingerprint, cause)
    if not answer.passes and (answer.reason or not answer.witnesses):
        line = approve_line(report, answer.fingerprint) if fails == ERROR and not answer.accepted else ""
        message = f"{TITLES[name]}: {answer.answer}: {answer.reason or answer.coverage}\n{line}".strip()
        place = _anywhere(report) or (report.new.file, 1)
        yield Result(name, NOTE if answer.accepted else fails, message, *place, answer.fingerprint)


def _message(report: Report, witness: Witness, fails: bool) -> str:
    """Who may do what, the rule whose value differs first, the tokens and the request, and what accepts it."""
    told = [f"refuted: {sentence(witness)}"]
    for rule in witness.first:
        where = report.policies / rule.file if rule.side == "after" else f"the old {rule.file}"
        told.append(f"differs first: `{rule.rule}`, {where}:{rule.line}")
    for turns in rules_of(witness):
        told.append(turns.partition("; ")[2] if turns.startswith("differs first") else turns)
    told += [line.strip() for line in (head_line(witness), *detail_lines(witness))]
    return "\n".join([*told, *([approve_line(report, witness.fingerprint)] if fails else [])]).strip()


def place_of(report: Report, finding: Finding) -> tuple[str, int]:
    """Where a finding stands in the new version: the line itself, or where what is gone is missing."""
    if finding.change.new is None:
        return report.new.file, report.new.lines.line_of(finding.change.path)
    return finding.file, finding.line


def _changed(report: Report, witness: Witness) -> tuple[str, int]:
    """The changed line that a witness depends on: of the rule that differs first, else of the contract, else nearby."""
    edited = (_edited(report, rule) for rule in witness.first)
    contract = (_of_contract(report, witness),)
    rules = ((str(report.policies / one.file), one.line) for one in witness.first if one.side == "after")
    nearby = (_first_edit(report, rule.file) for rule in witness.first)
    found = (*edited, *contract, *nearby, _anywhere(report), *rules, (report.new.file, 1))
    return next(place for place in found if place is not None)


def _edited(report: Report, rule: FirstRule) -> tuple[str, int] | None:
    """The first line of a rule that was edited, or where a rule was that is gone."""
    for edit in report.edits.get(rule.file, ()):
        first, last = edit.new if rule.side == "after" else edit.old
        # What is only gone has no line: the one that follows it represents it.
        if first <= rule.last and max(last, first) >= rule.line:
            line = max(edit.new[0], rule.line) if rule.side == "after" else edit.new[0]
            return str(report.policies / rule.file), line
    return None


def _first_edit(report: Report, name: str) -> tuple[str, int] | None:
    edits = report.edits.get(name)
    return (str(report.policies / name), edits[0].new[0]) if edits else None


def _anywhere(report: Report) -> tuple[str, int] | None:
    """Any changed line: of the contract what access is asked about, else of the policies."""
    for finding in report.findings:
        if finding.access == ASKED:
            return place_of(report, finding)
    return next(filter(None, (_first_edit(report, name) for name in report.edits)), None)


def _of_contract(report: Report, witness: Witness) -> tuple[str, int] | None:
    for finding in report.findings:
        named = finding.change.claim or ("scope" if finding.change.path.startswith("scopes.") else "")
        if finding.access == ASKED and named in witness.changed:
            return place_of(report, finding)
    return None


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
