"""What of contract, claims and decision stands in the record of a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from entitlements.contract import ACT, Contract, acting, named_as_registered
from entitlements.decision_log import MASKED, DecisionRecord, Masking
from entitlements.model import AccessRequest, Decision, VerifiedClaims


def with_request(
    record: DecisionRecord, request: AccessRequest, *, decision_id: str, request_id: str, now: float
) -> DecisionRecord:
    """The record with what was asked, and when: in seconds since the epoch."""
    return replace(
        record,
        time=time_of_record(now),
        decision_id=decision_id,
        request_id=request_id,
        action=request.action.name,
        resource_type=request.resource.type,
        resource_id=request.resource.id,
    )


def time_of_record(now: float) -> str:
    """RFC 3339 in UTC. now: in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")


def with_contract(
    record: DecisionRecord, contract: Contract, claims: VerifiedClaims, masking: Masking
) -> DecisionRecord:
    """The record with the contract that admitted or refused the claims, with subject and client as it permits."""
    named = replace(claims, values=named_as_registered(contract.profile.rules, claims.values))
    sensitivities = {name: contract.claims[name].sensitivity for name in MASKED if name in contract.claims}
    actor = ""
    if contract.actor is not None:
        actor = masking.named(acting(claims.values), claims.issuer, ACT, contract.actor.sensitivity)
    return replace(
        masking.identify(record, named, sensitivities),
        actor=actor,
        issuer=claims.issuer,
        audience=claims.audience,
        contract=f"{contract.ref.name}@{contract.ref.version}",
        contract_digest=contract.ref.digest,
    )


def with_decision(record: DecisionRecord, decision: Decision) -> DecisionRecord:
    """The record with the answer."""
    return replace(
        record,
        effect="allow" if decision.allow else "deny",
        reasons=decision.reasons,
        policy_revision=decision.policy_revision or "",
        obligations=tuple(str(obligation.get("id", "")) for obligation in decision.obligations),
        violations=tuple(f"{violation.code}:{violation.claim}" for violation in decision.violations),
        ignored=decision.ignored,
    )
