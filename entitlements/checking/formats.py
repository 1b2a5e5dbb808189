"""One report, told to a person: at a terminal, or in a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entitlements.checking.report import DISAGREE, HOLDS, NO, NO_ANSWER, Report
from entitlements.checking.words import (
    approve_lines,
    cause_lines,
    example_lines,
    named,
    sentences,
    shown,
    witness_lines,
)
from entitlements.proof import Access, Answer, Witness
from entitlements.proof.grouping import by_cause
from entitlements.terminal import paint, safe

_COLOURS = {"breaking": "red", "warning": "yellow", "compatible": "green"}
_VERDICTS = {HOLDS: "passes", DISAGREE: "the solvers disagree", NO: "does not pass", NO_ANSWER: "no answer"}
TITLES = {"no_new_access": "nobody gains access", "no_lost_access": "nobody loses access"}


def text(reports: Sequence[Report]) -> str:
    """For a person at a terminal."""
    return "\n\n".join("\n".join(_text(report)) for report in reports)


def _text(report: Report) -> Iterator[str]:
    if line := unchanged_line(report):
        yield line
        return
    old, new = report.old.contract, report.new.contract
    policies = "" if report.access.policies[0] == report.access.policies[1] else ", with changed policies"
    yield f"{new.name} {old.version} → {new.version}{policies}"
    for finding in report.findings:
        word = paint(finding.compatibility.ljust(10), _COLOURS[finding.compatibility])
        state = "  [approved]" if finding.approved else f"  [{finding.fingerprint}]" if finding.gates else ""
        yield f"  {word}  {finding.file}:{finding.line}  {finding.change.rule}  {finding.message}{state}"
        if finding.consumers:
            yield f"              relied on by {', '.join(finding.consumers)}"
        yield from (f"              read by {reader}" for reader in finding.readers)
    yield from access_lines(report.access)
    yield from _approvals(report)
    yield from (f"  {paint('warning', 'yellow')}  {safe(str(warning))}" for warning in report.warnings)
    yield from (f"  {paint('problem', 'red')}  {problem}" for problem in report.problems)
    if lines := approve_lines(report):
        yield "  to accept what keeps it from passing, after review, say why and who, and run"
        yield from (f"    {line}" for line in lines)
    yield f"  {paint(_VERDICTS[report.exit_code], 'red' if report.exit_code else 'green')}"


def unchanged_line(report: Report) -> str:
    """What was looked at and what ran, where nothing changed and there is nothing else to tell; else empty."""
    told = (report.findings, report.problems, report.warnings, report.access.failures, [*_approvals(report)])
    if not report.unchanged or report.exit_code != HOLDS or any(told):
        return ""
    name, version = report.new.contract.name, report.new.contract.version
    asked = ", ".join(f"{TITLES[one]}: {answer.answer}" for one, answer in report.answers.items())
    how = f"{report.access.no_new_access.method}, {report.access.no_new_access.coverage}"
    return (
        f"{name} {report.old.contract.version} → {version}: unchanged, {report.new.file} and the policies in "
        f"`{report.policies}` are as in {report.base}; {asked} ({how}); passes"
    )


def access_lines(access: Access) -> Iterator[str]:
    """Both answers with their witnesses, and what fails for a permitted token."""
    for name, answer in (("no_new_access", access.no_new_access), ("no_lost_access", access.no_lost_access)):
        colour = "green" if answer.passes else "red" if name == "no_new_access" else "yellow"
        approved = ", approved" if answer.approved else ""
        yield f"  {TITLES[name]}: {paint(answer.answer, colour)}{approved}  ({answer.method}, {answer.coverage})"
        if answer.reason:
            yield f"      {answer.reason}" + (f"  [{answer.fingerprint}]" if answer.fingerprint else "")
        if answer.never_allows:
            sides = " and ".join(one.side for one in answer.never_allows)
            yield f"      vacuous: no permitted token is ever allowed {sides} the change, under any request"
        yield from (f"      {safe(str(one))}" for one in answer.never_fires)
        if answer.double_check:
            yield f"      {safe(str(answer.double_check))}"
        for group in by_cause(answer.witnesses):
            yield from cause_lines(group)
    for failure in access.failures:
        word = paint("fails", "yellow")
        yield f"  {word}  {failure.place}  {failure.what} for a permitted token: no decision is made"
        yield f"      for example {shown(failure.example)}"


def safe_line(line: str) -> str:
    """A line of a file, safe to print; its tabs as spaces."""
    return safe(line.expandtabs(4))


def _approvals(report: Report) -> Iterator[str]:
    """What each approval of the step covers, who gave it and until when."""
    covered = {one.fingerprint: f"{one.change.rule} {one.change.path}" for one in report.findings}
    for name, answer in report.answers.items():
        covered[answer.fingerprint] = f"that it is unknown whether {TITLES[name]}"
        for one in answer.witnesses:
            changed = ", ".join(one.changed) or "the policy"
            told = f"a witness against `{TITLES[name]}`: {changed} changes"
            covered |= dict.fromkeys((one.fingerprint, *one.narrower), told)
    for given in report.approvals:
        if what := covered.get(given.fingerprint):
            terms = f"by {given.by} until {given.expires}: {given.reason}"
            yield safe(f"  approval  {given.fingerprint} covers {what}; {terms}")


def markdown(reports: Sequence[Report]) -> str:
    """A comment on a pull request."""
    return "\n".join(line for report in reports for line in _markdown(report))


def _markdown(report: Report) -> Iterator[str]:
    unchanged = unchanged_line(report)
    old, new = report.old.contract, report.new.contract
    state = _VERDICTS[report.exit_code]
    yield f"### Contract `{new.name}` {old.version} → {new.version}: {state}\n"
    if unchanged:
        yield f"{unchanged}\n"
    yield "| Question | Answer | Covered |\n|---|---|---|"
    for name, answer in (
        ("no_new_access", report.access.no_new_access),
        ("no_lost_access", report.access.no_lost_access),
    ):
        yield f"| {TITLES[name]} | **{answer.answer}**{' (approved)' if answer.approved else ''} | {answer.coverage} |"
    if report.findings:
        yield "\n| Finding | Compatibility | Where | Consumers | Fingerprint |\n|---|---|---|---|---|"
    for finding in report.findings:
        mark = "approved" if finding.approved else f"`{finding.fingerprint}`" if finding.gates else ""
        consumers = ", ".join(finding.consumers)
        place = f"{finding.file}:{finding.line}"
        yield f"| {cell(finding.message)} | {finding.compatibility} | {place} | {consumers} | {mark} |"
    for problem in report.problems:
        yield f"\n- {cell(str(problem))}"
    for name, answer in report.answers.items():
        if answer.witnesses:
            yield f"\n#### {TITLES[name]}: {answer.answer}"
        for group in by_cause(answer.witnesses):
            yield "".join(f"\n{_item(one)}" for one in group)
            told = example_lines if group[0].together else witness_lines
            yield "\n```\n" + "\n".join(line.strip() for line in told(group[0])) + "\n```"
    if lines := approve_lines(report):
        yield "\nTo accept what keeps it from passing, after review:\n\n```sh\n" + "\n".join(lines) + "\n```"
    yield ""


def _item(witness: Witness) -> str:
    """A witness as an item of a list: all that an approval of it accepts."""
    first, *others = sentences(witness)
    if not others:
        return f"- {first} [{named(witness)}]"
    head = f"- of one cause, {1 + len(others)} changes, which one approval accepts together [{named(witness)}]:"
    return "\n".join([head, *(f"  - {one}" for one in (first, *others))])


def cell(words: str) -> str:
    """Words that fit into a cell of a table."""
    return words.replace("|", "\\|").replace("\n", " ")


def failure_of(answer: Answer) -> str:
    """Why an answer does not pass, with its witnesses; empty where it does."""
    if answer.passes:
        return ""
    return told_of(answer)


def told_of(answer: Answer) -> str:
    """An answer and why, with its witnesses."""
    head = f"{answer.answer}: {answer.reason or answer.coverage}"
    return "\n".join([head, *(line for group in by_cause(answer.witnesses) for line in cause_lines(group))])
