"""What was found out about one step, for whoever reads it: findings, answers, approvals, and where things stand."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entitlements.contract import RULES, Approval, Change, ContractFile
from entitlements.contract.change_rules import BREAKING, REVIEW
from entitlements.engine import Edit
from entitlements.errors import Fault
from entitlements.model import JSON
from entitlements.proof import REFUTED, Access, Answer

HOLDS, DISAGREE, NO, NO_ANSWER = 0, 1, 3, 4
WORSE = (HOLDS, NO_ANSWER, NO, DISAGREE)
"""The exit codes of a report; of several reports the last one in this order is that of the command."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One change judged: what it means, where it stands, whom it touches and which rules read the claim."""

    change: Change
    message: str
    file: str
    line: int
    consumers: tuple[str, ...]
    readers: tuple[str, ...]
    fingerprint: str
    approved: bool

    @property
    def compatibility(self) -> str:
        """`breaking`, `warning` or `compatible`."""
        return RULES[self.change.rule].compatibility

    @property
    def access(self) -> str:
        """`review`, `asked` or `none`."""
        return RULES[self.change.rule].access

    @property
    def gates(self) -> bool:
        """Whether the gate stays shut until the finding is approved."""
        return self.compatibility == BREAKING or self.access == REVIEW

    def as_json(self) -> dict[str, JSON]:
        """The finding as its documented JSON object."""
        return {
            "id": self.change.rule,
            "compatibility": self.compatibility,
            "access": self.access,
            "path": self.change.path,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "consumers": [*self.consumers],
            "readers": [*self.readers],
            "fingerprint": self.fingerprint,
            "approved": self.approved,
        }


@dataclass(frozen=True)
class Report:
    """Everything that was found out about one step. problems: approvals that cannot stand; approvals: of this step.

    policies: the folder of the new side; edits: what was edited of its files; until: until when an approval
    that is given now may well last; base: what it was compared with; approve: what `contract approve` has to be given
    besides the step, or None where it cannot ask for the same.
    """

    old: ContractFile
    new: ContractFile
    access: Access
    findings: tuple[Finding, ...]
    problems: tuple[Fault, ...]
    approvals: tuple[Approval, ...] = ()
    warnings: tuple[Fault, ...] = ()
    policies: Path = Path()
    edits: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)
    until: datetime.date | None = None
    base: str = ""
    approve: tuple[str, ...] | None = ()

    @property
    def unchanged(self) -> bool:
        """Whether contract and policies are on both sides the same."""
        sides = [one.contract.ref.digest for one in (self.old, self.new)]
        return sides[0] == sides[1] and self.access.policies[0] == self.access.policies[1]

    @property
    def answers(self) -> dict[str, Answer]:
        """The answers in both directions, by name."""
        return {"no_new_access": self.access.no_new_access, "no_lost_access": self.access.no_lost_access}

    @property
    def asked_for(self) -> set[str]:
        """The fingerprints of all that an approval of this step can be about."""
        return asked_for_by(self.findings, self.access)

    @property
    def refused(self) -> tuple[str, ...]:
        """The fingerprints of all that has to be approved before it passes."""
        marks = [one.fingerprint for one in self.findings if one.gates and not one.approved]
        answer = self.access.no_new_access
        if not answer.passes:
            marks += [one.fingerprint for one in answer.witnesses if not one.approved]
            marks += [answer.fingerprint] if answer.fingerprint and not answer.accepted else []
        return tuple(dict.fromkeys(marks))

    @property
    def exit_code(self) -> int:
        """0 holds, 1 two solvers disagree, 3 something fails the gate, 4 no answer."""
        if any(answer.disputed for answer in self.answers.values()):
            return DISAGREE
        if self.problems or any(finding.gates and not finding.approved for finding in self.findings):
            return NO
        answer = self.access.no_new_access
        if answer.passes:
            return HOLDS
        return NO if answer.answer == REFUTED else NO_ANSWER

    def as_json(self) -> dict[str, JSON]:
        """The report as its documented JSON document."""
        sides: dict[str, JSON] = {
            name: {"contract": one.contract.name, "version": one.contract.version, "digest": one.contract.ref.digest}
            for name, one in (("old", self.old), ("new", self.new))
        }
        return {
            **sides,
            "policies": {"old": self.access.policies[0], "new": self.access.policies[1]},
            "access": {name: answer.as_json() for name, answer in self.answers.items()},
            "findings": [finding.as_json() for finding in self.findings],
            "failures": [failure.as_json() for failure in self.access.failures],
            "warnings": [str(warning) for warning in self.warnings],
            "problems": [str(problem) for problem in self.problems],
            "passes": self.exit_code == HOLDS,
        }


def asked_for_by(findings: Sequence[Finding], access: Access) -> set[str]:
    """The fingerprints of findings, witnesses and of what was not looked at."""
    found = {finding.fingerprint for finding in findings}
    for answer in (access.no_new_access, access.no_lost_access):
        found |= {mark for witness in answer.witnesses for mark in (witness.fingerprint, *witness.narrower)}
        found |= {answer.fingerprint} if answer.fingerprint else set()
    return found


def report_json(reports: Sequence[Report]) -> Mapping[str, Any] | list[Any]:
    """One report as its document, several as a list."""
    documents = [report.as_json() for report in reports]
    return documents[0] if len(documents) == 1 else documents
