"""Who may do what at all, under one contract and one policy: everyone, no one, or whom an example shows.

`everyone` and `no one` are proved for all permitted tokens and requests; of `some` an example that OPA allows is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from entitlements.contract import Contract
from entitlements.model import JSON
from entitlements.proof.requests import RequestKind
from entitlements.proof.single_policy import SinglePolicy
from entitlements.proof.symbolic.request_classes import RequestClass, RequestClasses
from entitlements.proof.symbolic.terms.term import TRUE, disj, neg

EVERYONE, SOME, NO_ONE, UNKNOWN = "everyone", "some", "no one", "unknown"


@dataclass(frozen=True)
class WhoMay:
    """Who may make the requests of a kind. example: what policy sees of one that is allowed; reason: why it is unknown.

    kind: None for all requests beside those that are told.
    """

    kind: RequestKind | None
    answer: str
    example: Mapping[str, JSON] | None = None
    reason: str = ""


def who_may(single: SinglePolicy) -> Iterator[WhoMay]:
    """One answer for each kind of request that the policy tells apart. single: of the rule that decides.

    Raises EngineUnavailable where OPA fails.
    """
    classes = RequestClasses(single.session.question)
    found, whole = classes.within(TRUE, _example(single.contract), single.session)
    for one in found:
        yield _of(single, one)
    if not whole:
        yield WhoMay(None, UNKNOWN, reason="the policies tell more requests apart than are told here")


def _example(contract: Contract) -> tuple[str, str]:
    """An action and a type of resource that the contract permits, for where the policies read neither."""
    request = contract.request
    if request is None:
        return "some_action", "some_type"
    return next(iter(request.actions), "some_action"), next(iter(sorted(request.resources)), "some_type")


def _of(single: SinglePolicy, asked: RequestClass) -> WhoMay:
    question = single.session.question
    executed = question.executed[1]
    allowed = single.candidate([question.allowed(1), asked.condition])
    if allowed.scenario is None:
        why = allowed.reason or single.unclosed
        return WhoMay(asked.kind, UNKNOWN, reason=why) if why else WhoMay(asked.kind, NO_ONE)
    example = single.input_of(allowed.scenario)
    (verdict,) = single.engine.decide([example])
    if verdict is None or not verdict.allow:
        return WhoMay(asked.kind, UNKNOWN, reason="OPA does not confirm the example, see docs/proof.md")
    # Where something may fail, there may be no decision: then it is not everyone.
    denied = single.candidate([disj(neg(executed.allow), executed.fails), asked.condition])
    sure = denied.scenario is None and not denied.reason and not single.unclosed
    return WhoMay(asked.kind, EVERYONE if sure else SOME, example)
