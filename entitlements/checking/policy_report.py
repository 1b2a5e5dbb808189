"""What one policy means under one contract: who may do what, and which rules and claims matter. Each line is proved,
shown by an example, or unknown with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.checking.claim_loss import is_read, losing
from entitlements.checking.request_words import code, requests_in_words
from entitlements.checking.words import sentence
from entitlements.contract import Contract, ContractFile
from entitlements.engine import Opa, policy_files, read_policies
from entitlements.engine.policy_module import RuleLines
from entitlements.model import JSON
from entitlements.proof import Effort, Side, compare_access
from entitlements.proof.checkable import checkable
from entitlements.proof.reachability import FIRES, NEVER, NOTHING, Reach, reach_of
from entitlements.proof.single_policy import SinglePolicy
from entitlements.proof.what_if import REDUNDANT, SAFE, UNSAFE, WhatIf, without_rule
from entitlements.proof.who_may import EVERYONE, NO_ONE, SOME, WhoMay, who_may

PROVED, SHOWN, UNKNOWN = "proved", "shown", "unknown"


@dataclass(frozen=True)
class Line:
    """One thing that is said. about: `requests`, `rules`, `claims` or `failures`; how: `proved`, `shown` or `unknown`.

    subject: what it is said of; text: what is said; example: an example for it, or the reason why it is unknown;
    warns: whether it is something to look at.
    """

    about: str
    subject: str
    text: str
    how: str
    example: str = ""
    warns: bool = False

    def as_json(self) -> dict[str, JSON]:
        """The line as its documented JSON object."""
        told: dict[str, JSON] = {"about": self.about, "subject": self.subject, "text": self.text, "how": self.how}
        return {**told, "example": self.example, "warns": self.warns}


@dataclass(frozen=True)
class PolicyReport:
    """All lines about one contract."""

    contract: Contract
    lines: tuple[Line, ...]

    def as_json(self) -> dict[str, JSON]:
        """The report as its documented JSON document."""
        reference = {"name": self.contract.name, "version": self.contract.version, "digest": self.contract.ref.digest}
        return {"contract": {**reference}, "lines": [line.as_json() for line in self.lines]}


def report_policy(
    file: ContractFile,
    policies: Path,
    *,
    opa: Opa,
    seconds: float = 60.0,
    progress: Callable[[str], None] = lambda _what: None,
) -> PolicyReport:
    """Ask everything.

    seconds: for each question to the solver; progress: told what is looked at. Raises StartupFault where policies do
    not compile, EngineUnavailable where OPA fails, Unsupported and PlanUnknown where the policies cannot be followed.
    """
    return PolicyReport(file.contract, tuple(_lines(_Asked(file, policies, opa, seconds), progress)))


@dataclass(frozen=True)
class _Asked:
    file: ContractFile
    policies: Path
    opa: Opa
    seconds: float

    @property
    def contract(self) -> Contract:
        return self.file.contract

    @property
    def effort(self) -> Effort:
        return Effort(seconds=self.seconds)


def _lines(asked: _Asked, progress: Callable[[str], None]) -> Iterator[Line]:
    contract = asked.contract
    progress("requests")
    reading = checkable(asked.opa, asked.policies, contract.decision_path)
    with SinglePolicy(contract, asked.policies, contract.decision_path, opa=asked.opa, seconds=asked.seconds) as single:
        yield from map(_of_request, who_may(single))
        progress("rules")
        reach = reach_of(single, reading.rules)
    yield from _of_rules(asked, reach, progress)
    yield from _of_claims(asked, reach, progress)
    progress("failures")
    same = Side(contract, asked.policies, contract.decision_path)
    for failure in compare_access(same, same, opa=asked.opa, effort=asked.effort).failures:
        example = json.dumps(failure.example, sort_keys=True)
        yield Line("failures", str(failure.place), f"{failure.what}: there is no decision", SHOWN, example, warns=True)


def _of_request(found: WhoMay) -> Line:
    subject = "any other request" if found.kind is None else requests_in_words([found.kind])
    if found.answer == NO_ONE:
        return Line("requests", subject, "no one may", PROVED, warns=True)
    if found.example is None:
        return Line("requests", subject, "it is not known who may", UNKNOWN, found.reason)
    if found.answer == EVERYONE:
        return Line("requests", subject, "every permitted token may", PROVED, _who(found.example), warns=True)
    assert found.answer == SOME  # noqa: S101 - no other answer is left
    return Line("requests", subject, "some may", SHOWN, _who(found.example))


def _who(example: Mapping[str, JSON]) -> str:
    """Whom an example shows: what policy sees of the principal, and of the request what decides beside its kind."""
    subject = example["subject"]
    assert isinstance(subject, dict)  # noqa: S101 - it is the input that was made for the policy
    parts = [f"claims {json.dumps(subject['claims'], sort_keys=True)}"]
    parts += (
        [f"scopes {', '.join(map(str, scopes))}"] if isinstance(scopes := subject["scopes"], list) and scopes else []
    )
    resource, context = example["resource"], example.get("context")
    if isinstance(resource, dict) and resource.get("properties"):
        parts.append(f"resource {json.dumps(resource['properties'], sort_keys=True)}")
    parts += [f"context {json.dumps(context, sort_keys=True)}"] if context else []
    return "; ".join(parts)


def _of_rules(asked: _Asked, reach: Reach, progress: Callable[[str], None]) -> Iterator[Line]:
    files = policy_files(asked.policies)
    rules = [one.rule for one in reach.rules]
    for one in reach.rules:
        subject = f"{one.rule.file}:{one.rule.first} {one.rule.name}"
        if one.answer == NEVER:
            yield Line("rules", subject, "never fires for a permitted token", PROVED, warns=True)
        elif one.answer != FIRES:
            yield Line("rules", subject, "it is not known whether it fires", UNKNOWN, one.reason)
        elif _alone(one.rule, rules) and not _is_default(files[one.rule.file], one.rule):
            progress(subject)
            found = without_rule(asked.contract, asked.policies, one.rule, opa=asked.opa, effort=asked.effort)
            if found.answer == REDUNDANT:
                yield Line("rules", subject, "without it no one gains or loses access", PROVED, warns=True)
            elif found.answer == UNKNOWN:
                yield Line("rules", subject, "it is not known whether it matters", UNKNOWN, found.reason)


def _alone(rule: RuleLines, rules: Sequence[RuleLines]) -> bool:
    """Whether no other rule stands on the lines of a rule."""
    same = [one for one in rules if one.file == rule.file and one.first <= rule.last and rule.first <= one.last]
    return len(same) == 1


def _is_default(content: bytes, rule: RuleLines) -> bool:
    return content.decode(errors="replace").splitlines()[rule.first - 1].lstrip().startswith("default")


def _of_claims(asked: _Asked, reach: Reach, progress: Callable[[str], None]) -> Iterator[Line]:
    reads = read_policies(asked.opa, asked.policies).reads
    idle = {one.claim for one in reach.claims if one.answer == NOTHING}
    for name in asked.contract.claims:
        if name in idle:
            yield Line("claims", code(name), "changes no decision", PROVED, warns=True)
        elif is_read(name, reads):
            progress(name)
            yield _of_loss(name, losing(asked.file, [name], asked.policies, opa=asked.opa, effort=asked.effort))


def _of_loss(name: str, found: WhatIf) -> Line:
    if found.answer == SAFE:
        return Line("claims", code(name), "no one gains access by losing it", PROVED)
    if found.answer == UNSAFE and found.witnesses:
        return Line(
            "claims", code(name), "who loses it may gain access", SHOWN, sentence(found.witnesses[0]), warns=True
        )
    return Line("claims", code(name), "it is not known whether who loses it gains access", UNKNOWN, found.reason)
