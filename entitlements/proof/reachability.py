"""What of a policy can matter at all: rules that no permitted token can ever fire, and claims that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Contract
from entitlements.engine.policy_module import RuleLines
from entitlements.proof.checkable import checkable
from entitlements.proof.migration import claim_steps
from entitlements.proof.symbolic.terms.term import FALSE, Term, negation
from entitlements.proof.world import World, unclosed

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


def reachable(contract: Contract, policies: Path, *, opa: Path, seconds: float = 30.0) -> Reach:
    """Ask both. Raises StartupFault, EngineUnavailable, Unsupported and PlanUnknown as `World` does."""
    reading = checkable(opa, policies, contract.decision_path)
    with World(contract, policies, contract.decision_path, opa=opa, seconds=seconds) as world:
        rules = tuple(_rules(world, list(reading.rules)))
        claims = tuple(_claim(world, step.name_after) for step in claim_steps(contract, contract))
        return Reach(rules, claims)


def _rules(world: World, rules: list[RuleLines]) -> Iterator[RuleReach]:
    walked = world.session.question.walked[1]
    fired: dict[tuple[str, int], Term] = {(place.file, place.row): term for place, term in walked.fired.items()}
    for rule in rules:
        condition = fired.get((rule.file, rule.first), FALSE)
        yield RuleReach(rule, *_asked(world, condition, (FIRES, NEVER)))


def _asked(world: World, condition: Term, words: tuple[str, str]) -> tuple[str, str]:
    found = world.candidate([condition])
    if found.point is not None:
        return words[0], ""
    if found.reason:
        return UNKNOWN, found.reason
    return (UNKNOWN, world.unclosed) if world.unclosed else (words[1], "")


def _claim(world: World, name: str) -> ClaimReach:
    session = world.apart(frozenset({name}))
    question = session.question
    found = session.candidate([question.allowed(1), negation(question.allowed(0))])
    if found.point is not None:
        return ClaimReach(name, DECIDES)
    why = found.reason or unclosed(question)
    return ClaimReach(name, UNKNOWN, why) if why else ClaimReach(name, NOTHING)
