"""The one story of a change: what differs, whom it touches, who gains or loses access, and what was approved of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from entitlements.checking.report import HOLDS, NO, NO_ANSWER, Finding, Report, asked_for_by, report_json
from entitlements.checking.vacuity import never_handed, never_there, vacuous
from entitlements.contract import (
    APPROVALS_NAME,
    RULES,
    Approval,
    Change,
    ContractFile,
    changes,
    claim_places,
    kinds_of,
    link_faults_of_step,
    load_gate_settings,
    misplaced,
    of_step,
    renamed,
    rollback_asks,
    stale,
)
from entitlements.engine import Opa, Read, edits_of, read_policies
from entitlements.errors import ContractsInvalid
from entitlements.proof import DEFAULT_EFFORT, Answer, Effort, Side, compare_access

__all__ = ["HOLDS", "NO", "NO_ANSWER", "Finding", "Report", "Step", "check_step", "refuse_links", "report_json"]
_APPROVED_DAYS = 90
"""For how long the approval lasts that is offered, where the project allows it."""


@dataclass(frozen=True)
class Step:
    """What is to be compared: two contract files, and the policies and decision rule of each side.

    base, approve: see Report; any_policies: whether approvals that were given for other policies count too.
    """

    old: ContractFile
    new: ContractFile
    policies: tuple[Path, Path]
    decisions: tuple[str, str]
    base: str = ""
    approve: tuple[str, ...] | None = ()
    any_policies: bool = False

    @classmethod
    def of(cls, old: ContractFile, new: ContractFile, policies: tuple[Path, Path]) -> Step:
        """The step in which each contract's own rule decides."""
        return cls(old, new, policies, (old.contract.decision_path, new.contract.decision_path))


def check_step(
    step: Step,
    *,
    approvals: Sequence[Approval],
    contracts: Path,
    today: datetime.date,
    opa: Opa,
    effort: Effort = DEFAULT_EFFORT,
) -> Report:
    """Check one step from an old contract and policy to new ones.

    approvals: of the contract, any step; contracts: the folder that they were read from; today: the day on which
    approvals have to be valid; effort: how the question is answered.

    Raises StartupFault where policies do not compile, ContractsInvalid where `renamed_from` says what is not followed,
    and EngineUnavailable where OPA fails.
    """
    old, new = step.old.contract, step.new.contract
    refuse_links(step.old, step.new)
    valid = of_step(approvals, old.version, new.version)
    last = load_gate_settings(contracts).last_day(today)
    in_time = [one for one in valid if today <= one.expires <= last]
    marks = {one.fingerprint for one in in_time}
    reads = read_policies(opa, step.policies[1]).reads
    findings = tuple(_finding(change, step, reads, marks) for change in changes(old, new))
    access = compare_access(
        Side(old, step.policies[0], step.decisions[0]),
        Side(new, step.policies[1], step.decisions[1]),
        opa=opa,
        effort=effort,
    )
    policies = None if step.any_policies else access.policies[1]
    accepted = {one.fingerprint for one in in_time if policies is None or one.counts_under(policies)}
    access = replace(
        access,
        no_new_access=_accepted(access.no_new_access, accepted),
        no_lost_access=_accepted(access.no_lost_access, accepted),
    )
    # An approval of a rollback is one of a step that changes nothing.
    asked_for = asked_for_by(findings, access) | rollback_asks(contracts)
    file = contracts / new.name / APPROVALS_NAME
    problems = stale(file, valid, asked_for, today, policies)
    problems += misplaced(file, [one for one in approvals if one not in valid], today)
    warnings = (
        *never_there(reads, new, step.policies[1]),
        *never_handed([one.change for one in findings], old, step.new),
        *vacuous(access, step.policies),
    )
    return Report(
        step.old,
        step.new,
        access,
        findings,
        tuple(problems),
        valid,
        warnings,
        policies=step.policies[1],
        edits=edits_of(*step.policies),
        until=today + datetime.timedelta(days=min(_APPROVED_DAYS, load_gate_settings(contracts).max_days)),
        base=step.base or step.old.file,
        approve=step.approve,
    )


def refuse_links(old: ContractFile, new: ContractFile) -> None:
    """Raise ContractsInvalid `link_not_followed`, with file and line, for each `renamed_from` that is not followed."""
    faults = [
        replace(fault, file=new.file, line=new.lines.line_of(fault.path))
        for fault in link_faults_of_step(old.contract, new.contract)
    ]
    if faults:
        raise ContractsInvalid("link_not_followed", "what `renamed_from` says here is not followed", faults)


def _accepted(answer: Answer, accepted: set[str]) -> Answer:
    witnesses = tuple(one.judged_by(accepted) for one in answer.witnesses)
    return replace(answer, witnesses=witnesses, accepted=bool(answer.fingerprint) and answer.fingerprint in accepted)


def _finding(change: Change, step: Step, reads: Sequence[Read], accepted: set[str]) -> Finding:
    old, new = step.old.contract, step.new.contract
    mark = change.fingerprint(new.name, old.version, new.version)
    gone = change.new is None
    where = step.old if gone else step.new
    return Finding(
        change,
        _message(change),
        where.file,
        where.lines.line_of(change.path),
        tuple(sorted(c.name for c in old.consumers if c.relies(change.claim, kinds_of(change, old, new)))),
        tuple(dict.fromkeys(_reader(read) for read in reads if _reads(read, change, renamed(old, new)))),
        mark,
        mark in accepted,
    )


def _reads(read: Read, change: Change, names: Mapping[str, str]) -> bool:
    """Whether a policy reads what changed: the claim, under its new name too, or the scopes."""
    places: list[tuple[str, ...]] = []
    if change.claim:
        both = {change.claim, names.get(change.claim, change.claim)}
        places = [place for name in both for place in claim_places(name)]
    elif change.path.startswith("scopes."):
        places = [("subject", "scopes")]
    return any(map(read.may_be_of, places))


def _reader(read: Read) -> str:
    negated = ", negated" if read.negated else ""
    return f"{read.file}:{read.line} {read.rule} ({read.how}{negated})"


def _message(change: Change) -> str:
    """One sentence: what changed, then what that means."""
    purpose = RULES[change.rule].purpose
    subject = f"`{change.claim}`" if change.claim else f"`{change.path}`"
    if change.rule in ("consumer_affected", "strict_consumer_broken"):
        return f"{subject}, `{change.new}`: {purpose}"
    if isinstance(change.old, (dict, list)) or isinstance(change.new, (dict, list)):
        return f"{subject}: {purpose}"
    return f"{subject}, {_shown(change.old)} → {_shown(change.new)}: {purpose}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else f"`{value}`"
