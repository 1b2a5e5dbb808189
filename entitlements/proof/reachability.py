"""What of a policy can matter at all: rules that no permitted token can ever fire, and claims that change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Contract
from entitlements.engine import Opa
from entitlements.engine.policy_module import RuleLines
from entitlements.proof.checkable import checkable
from entitlements.proof.migration import claim_steps
from entitlements.proof.single_policy import SinglePolicy, unclosed
from entitlements.proof.symbolic.terms.term import FALSE, Term, neg

FIRES, NEVER, UNKNOWN = "fires", "never", "unknown"
DECIDES, NOTHING = "decides", "nothing"


@dataclass(frozen=True)
class RuleReach:
    """Whether a rule can fire: `fires`, `never` or `unknown`, with the reason."""

    rule: RuleLines
    answer: str
    reason: str = ""


@dataclass(frozen=True)
class ClaimReach:
    """Whether a claim can change a decision: `decides`, `nothing` or `unknown`, with the reason."""

    claim: str
    answer: str
    reason: str = ""


@dataclass(frozen=True)
class Reach:
    """Of every rule that the decision can depend on, and of every claim that an access token may hold."""

    rules: tuple[RuleReach, ...]
    claims: tuple[ClaimReach, ...]


def reachable(contract: Contract, policies: Path, *, opa: Opa, seconds: float = 60.0) -> Reach:
    """Ask both. Raises StartupFault, EngineUnavailable, Unsupported and PlanUnknown as `SinglePolicy` does."""
    reading = checkable(opa, policies, contract.decision_path)
    with SinglePolicy(contract, policies, contract.decision_path, opa=opa, seconds=seconds) as single:
        return reach_of(single, reading.rules)


def reach_of(single: SinglePolicy, rules: Sequence[RuleLines]) -> Reach:
    """The same of a policy that was encoded already. rules: those that its decision can depend on."""
    found = tuple(_rules(single, rules))
    return Reach(
        found, tuple(_claim(single, step.name_after) for step in claim_steps(single.contract, single.contract))
    )


def _rules(single: SinglePolicy, rules: Sequence[RuleLines]) -> Iterator[RuleReach]:
    executed = single.session.question.executed[1]
    fired: dict[tuple[str, int], Term] = {(place.file, place.row): term for place, term in executed.fired.items()}
    for rule in rules:
        condition = fired.get((rule.file, rule.first), FALSE)
        yield RuleReach(rule, *_asked(single, condition, (FIRES, NEVER)))


def _asked(single: SinglePolicy, condition: Term, words: tuple[str, str]) -> tuple[str, str]:
    found = single.candidate([condition])
    if found.scenario is not None:
        return words[0], ""
    if found.reason:
        return UNKNOWN, found.reason
    return (UNKNOWN, single.unclosed) if single.unclosed else (words[1], "")


def _claim(single: SinglePolicy, name: str) -> ClaimReach:
    session = single.apart(frozenset({name}))
    question = session.question
    found = session.candidate([question.allowed(1), neg(question.allowed(0))])
    if found.scenario is not None:
        return ClaimReach(name, DECIDES)
    why = found.reason or unclosed(question)
    return ClaimReach(name, UNKNOWN, why) if why else ClaimReach(name, NOTHING)
