"""One report, told to a person: at a terminal, or in a comment on a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from entitlements.change_check import Report
from entitlements.cli.render import paint, safe
from entitlements.proof import Access, Answer, Witness
from entitlements.proof.answer import OBLIGATION

_COLOURS = {"breaking": "red", "warning": "yellow", "compatible": "green"}
TITLES = {"no_new_access": "nobody gains access", "no_lost_access": "nobody loses access"}


def text(reports: Sequence[Report]) -> str:
    """For a person at a terminal."""
    return "\n\n".join("\n".join(_text(report)) for report in reports)


def _text(report: Report) -> Iterator[str]:
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
    verdict = {0: paint("passes", "green"), 3: paint("does not pass", "red"), 4: paint("no answer", "red")}
    yield f"  {verdict[report.exit_code]}"


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
        for witness in answer.witnesses:
            yield from witness_lines(witness)
    for failure in access.failures:
        word = paint("fails", "yellow")
        yield f"  {word}  {failure.place}  {failure.what} for a permitted token: no decision is made"
        yield f"      for example {shown(failure.example)}"


def shown(value: Any) -> str:
    """A document on one line, safe to print."""
    return _json(value)


def safe_line(line: str) -> str:
    """A line of a file, safe to print; its tabs as blanks."""
    return safe(line.expandtabs(4))


def _approvals(report: Report) -> Iterator[str]:
    """What each approval of the step covers, who gave it and until when."""
    covered = {one.fingerprint: f"{one.change.rule} {one.change.path}" for one in report.findings}
    for name, answer in report.answers.items():
        covered[answer.fingerprint] = f"that nobody knows whether {TITLES[name]}"
        for one in answer.witnesses:
            changed = ", ".join(one.changed) or "the policy"
            covered[one.fingerprint] = f"a witness against `{TITLES[name]}`: {changed} changes"
    for given in report.approvals:
        if what := covered.get(given.fingerprint):
            terms = f"by {given.by} until {given.expires}: {given.reason}"
            yield safe(f"  approval  {given.fingerprint} covers {what}; {terms}")


def witness_lines(witness: Witness) -> Iterator[str]:
    """One witness for a person."""
    document = witness.as_json()
    request: Any = document["request"]
    state = "approved" if witness.approved else witness.fingerprint
    yield f"      witness  {', '.join(witness.changed) or 'the policy'} changes  [{state}]"
    yield f"        before  {_json(document['claims_before'])} scopes {_json(document['scopes_before'])}"
    yield f"        after   {_json(document['claims_after'])} scopes {_json(document['scopes_after'])}"
    resource = request["resource"]
    yield f"        request {request['action']} {resource['type']} {_json(resource['properties'])}"
    if witness.kind == OBLIGATION:
        yield f"        allowed with {_json(document['obligations_before'])} → {_json(document['obligations_after'])}"
    else:
        before, after = _decided(witness.allows_before, witness.reasons_before), not witness.allows_before
        yield f"        decided {before} → {_decided(after, witness.reasons_after)}"
    yield f"        {witness.rule}"


def _decided(allows: bool, reasons: Sequence[str]) -> str:
    return "allowed" if allows else ", ".join(reasons) or "denied"


def _json(value: Any) -> str:
    return safe(json.dumps(value, ensure_ascii=False, sort_keys=True))


def markdown(reports: Sequence[Report]) -> str:
    """A comment on a pull request."""
    return "\n".join(line for report in reports for line in _markdown(report))


def _markdown(report: Report) -> Iterator[str]:
    old, new = report.old.contract, report.new.contract
    state = {0: "passes", 3: "does not pass", 4: "no answer"}[report.exit_code]
    yield f"### Contract `{new.name}` {old.version} → {new.version}: {state}\n"
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
    for answer in report.answers.values():
        for witness in answer.witnesses:
            yield "\n```\n" + "\n".join(line.strip() for line in witness_lines(witness)) + "\n```"
    yield ""


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
    return "\n".join([head, *(line for witness in answer.witnesses for line in witness_lines(witness))])
