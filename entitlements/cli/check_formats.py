"""One report, told to each of its readers: a person, a pull request, a CI server, an editor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from entitlements import __version__
from entitlements.change_check import Finding, Report
from entitlements.cli.render import paint, safe
from entitlements.contract import RULES
from entitlements.proof import Access, Answer, Witness
from entitlements.proof.answer import OBLIGATION

_COLOURS = {"breaking": "red", "warning": "yellow", "compatible": "green"}
_TITLES = {"no_new_access": "nobody gains access", "no_lost_access": "nobody loses access"}


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
        yield f"  {_TITLES[name]}: {paint(answer.answer, colour)}{approved}  ({answer.method}, {answer.coverage})"
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
        covered[answer.fingerprint] = f"that nobody knows whether {_TITLES[name]}"
        for one in answer.witnesses:
            changed = ", ".join(one.changed) or "the policy"
            covered[one.fingerprint] = f"a witness against `{_TITLES[name]}`: {changed} changes"
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
        yield f"| {_TITLES[name]} | **{answer.answer}**{' (approved)' if answer.approved else ''} | {answer.coverage} |"
    if report.findings:
        yield "\n| Finding | Compatibility | Where | Consumers | Fingerprint |\n|---|---|---|---|---|"
    for finding in report.findings:
        mark = "approved" if finding.approved else f"`{finding.fingerprint}`" if finding.gates else ""
        consumers = ", ".join(finding.consumers)
        place = f"{finding.file}:{finding.line}"
        yield f"| {_cell(finding.message)} | {finding.compatibility} | {place} | {consumers} | {mark} |"
    for problem in report.problems:
        yield f"\n- {_cell(str(problem))}"
    for answer in report.answers.values():
        for witness in answer.witnesses:
            yield "\n```\n" + "\n".join(line.strip() for line in witness_lines(witness)) + "\n```"
    yield ""


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def junit(reports: Sequence[Report]) -> str:
    """Test cases for a CI server: each question and each finding."""
    suites = ElementTree.Element("testsuites")
    for report in reports:
        old, new = report.old.contract, report.new.contract
        suite = ElementTree.SubElement(suites, "testsuite", name=f"{new.name} {old.version} → {new.version}")
        failures = 0
        for title, failure in _cases(report):
            case = ElementTree.SubElement(suite, "testcase", classname=f"contract.{new.name}", name=title)
            if failure:
                failures += 1
                ElementTree.SubElement(case, "failure", message=failure.splitlines()[0]).text = failure
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(failures))
    return ElementTree.tostring(suites, encoding="unicode")


def _cases(report: Report) -> Iterator[tuple[str, str]]:
    """Every case of a report: its title, and why it fails or nothing."""
    yield _TITLES["no_new_access"], failure_of(report.access.no_new_access)
    for finding in report.findings:
        fails = finding.gates and not finding.approved
        where = f"{finding.file}:{finding.line}"
        yield f"{finding.change.rule} {finding.change.path}", f"{where}: {finding.message}" if fails else ""
    for problem in report.problems:
        yield "approvals", str(problem)


def failure_of(answer: Answer) -> str:
    """Why an answer does not pass, with its witnesses; empty where it does."""
    if answer.passes:
        return ""
    head = f"{answer.answer}: {answer.reason or answer.coverage}"
    return "\n".join([head, *(line for witness in answer.witnesses for line in witness_lines(witness))])


def github(reports: Sequence[Report]) -> str:
    """Annotations of GitHub's workflow commands, on file and line."""
    lines = []
    for report in reports:
        for finding in report.findings:
            level = "notice" if finding.approved or not finding.gates else "error"
            lines.append(_annotation(level, finding.change.rule, finding.file, finding.line, finding.message))
        failure = failure_of(report.access.no_new_access)
        if failure:
            lines.append(_annotation("error", "no_new_access", report.new.file, 1, failure))
        lines += [_annotation("error", p.code, p.file, p.line, p.message) for p in report.problems]
    return "\n".join(lines)


def _annotation(level: str, title: str, file: str, line: int, message: str) -> str:
    place = f"file={_property(file)},line={line or 1},title={_property(title)}"
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} {place}::{data}"


def _property(value: str) -> str:
    for plain, coded in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(plain, coded)
    return value


def sarif(reports: Sequence[Report]) -> str:
    """A SARIF 2.1.0 log."""
    used = sorted({finding.change.rule for report in reports for finding in report.findings})
    rules = [{"id": rule, "shortDescription": {"text": RULES[rule].purpose}} for rule in used]
    rules.append({"id": "no_new_access", "shortDescription": {"text": "nobody gains access"}})
    results = [_result(finding) for report in reports for finding in report.findings]
    for report in reports:
        failure = failure_of(report.access.no_new_access)
        if failure:
            results.append(_sarif("no_new_access", "error", failure, report.new.file, 1))
    driver = {"name": "entitlements", "version": __version__, "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _result(finding: Finding) -> dict[str, Any]:
    level = "error" if finding.gates and not finding.approved else "note"
    result = _sarif(finding.change.rule, level, finding.message, finding.file, finding.line)
    return {**result, "partialFingerprints": {"entitlements/v1": finding.fingerprint}}


def _sarif(rule: str, level: str, message: str, file: str, line: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": file}, "region": {"startLine": max(line, 1)}}
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": place}],
    }
