"""JUnit test cases for a CI server: each question, each finding, each approval that cannot stand.

The attributes and elements are those that the schema of Jenkins' xUnit plugin demands and permits (junit-10.xsd).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from entitlements.checking.formats import TITLES, failure_of, told_of
from entitlements.checking.results import place_of, relative
from entitlements.checking.step import Report
from entitlements.errors import EntitlementsError
from entitlements.proof import REFUTED

# What XML 1.0 (section 2.2) does not permit, as a reference neither.
_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case. kind: `failure`, `error` or nothing; type: what an id names; out: what else is reported."""

    name: str
    kind: str = ""
    type: str = ""
    text: str = ""
    out: str = ""


def junit(reports: Sequence[Report]) -> str:
    """The report as `testsuites`, one suite a step."""
    suites = ElementTree.Element("testsuites", name="entitlements contract check")
    for report in reports:
        old, new = report.old.contract, report.new.contract
        seconds = report.access.evidence.seconds
        _suite(suites, f"{new.name} {old.version} → {new.version}", f"contract.{new.name}", seconds, [*_cases(report)])
    return _whole(suites)


def junit_error(error: EntitlementsError) -> str:
    """An error as the only test case, which could not be run."""
    suites = ElementTree.Element("testsuites", name="entitlements contract check")
    text = "\n".join([error.message, *map(str, getattr(error, "faults", ()))])
    _suite(suites, "contract check", "contract", 0.0, [_Case("contract check", "error", error.code, text)])
    return _whole(suites)


def _whole(suites: ElementTree.Element) -> str:
    for name in ("tests", "failures", "errors"):
        suites.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    suites.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    return ElementTree.tostring(suites, encoding="unicode")


def _suite(suites: ElementTree.Element, name: str, of: str, seconds: float, cases: Sequence[_Case]) -> None:
    kinds = [case.kind for case in cases]
    numbers = {"tests": len(cases), "failures": kinds.count("failure"), "errors": kinds.count("error"), "skipped": 0}
    counts = {count: str(number) for count, number in numbers.items()}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(name), "time": f"{seconds:.3f}", **counts})
    names: dict[str, int] = {}
    for number, case in enumerate(cases):
        times = names[case.name] = names.get(case.name, 0) + 1
        title = case.name if times == 1 else f"{case.name} ({times})"
        # What is asked is asked at once: the first question has the time of all.
        time = f"{0.0 if number else seconds:.3f}"
        element = ElementTree.SubElement(suite, "testcase", classname=_clean(of), name=_clean(title), time=time)
        if case.kind:
            first = case.text.splitlines()[0]
            ElementTree.SubElement(element, case.kind, type=case.type, message=_clean(first)).text = _clean(case.text)
        if case.out:
            ElementTree.SubElement(element, "system-out").text = _clean(case.out)


def _cases(report: Report) -> Iterator[_Case]:
    gate = report.access.no_new_access
    kind = "" if gate.passes else "failure" if gate.answer == REFUTED else "error"
    yield _Case(TITLES["no_new_access"], kind, gate.answer, failure_of(gate), "" if kind else told_of(gate))
    # Lost access fails nothing, and no one should learn of it from their users.
    yield _Case(TITLES["no_lost_access"], out=told_of(report.access.no_lost_access))
    for finding in report.findings:
        fails = finding.gates and not finding.approved
        file, line = place_of(report, finding)
        text = f"{relative(file)}:{line}: {finding.message}"
        name = f"{finding.change.rule} {finding.change.path}"
        yield _Case(name, "failure", finding.change.rule, text) if fails else _Case(name, out=text)
    for problem in report.problems:
        yield _Case("approvals", "failure", problem.code, str(problem))


def _clean(text: str) -> str:
    """Text with what XML cannot hold as an escape."""
    return _NO_CHARACTER.sub(lambda found: ascii(found[0])[1:-1], text)
