"""The one story of a decision: verify the token, conform its claims, ask the engine, log, answer.

Deny is a value, "cannot tell" is an error, a bug is a crash. Each step's output is the next one's input, so that no
step can be skipped. An allow that could not be logged is not given.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from entitlements.contract import Admitted, Catalog, Contract, Refused, admit, policy_input, request_faults
from entitlements.decision_log import MASKED, DecisionLog, DecisionRecord, Masking
from entitlements.engine import PolicyEngine
from entitlements.errors import EngineUnavailable, RequestInvalid, TokenRejected
from entitlements.model import AccessRequest, Decision, Principal, VerifiedClaims
from entitlements.token import TokenVerifier

CONTRACT_VIOLATED = "contract_violated"


@dataclass(frozen=True, slots=True)
class Answered:
    """A decision and what the caller's answer may say beside it.

    decision: allow or deny; ignored: names of claims that were stripped before policy saw the principal.
    """

    decision: Decision
    ignored: tuple[str, ...] = ()


class PolicyDecisionPoint:
    """Decides access requests.

    budget: seconds one decision may take in all; clock: seconds since the epoch, for token times; admits: whether a
    policy revision may decide; masking: how records name subject and client where the contract marks them as pii.
    """

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        catalog: Catalog,
        engine: PolicyEngine,
        log: DecisionLog,
        budget: float,
        clock: Callable[[], float] = time.time,
        admits: Callable[[str], bool] = lambda _revision: True,
        masking: Masking | None = None,
    ) -> None:
        self._verifier = verifier
        self._catalog = catalog
        self._engine = engine
        self._log = log
        self._budget = budget
        self._clock = clock
        self._admits = admits
        self._masking = masking or Masking()

    def decide(self, request: AccessRequest, *, request_id: str = "") -> Answered:
        """Decide one access request.

        Raises TokenRejected (the token is no valid access token; names the decision id), RequestInvalid (the request
        does not fit the contract) and DecisionUnavailable (no decision can be made); all else is an allow or a deny.
        """
        started = time.monotonic()
        now = self._clock()
        record = self._new_record(request, request_id, now)
        if request.audience is not None and request.audience not in self._catalog.audiences:
            raise RequestInvalid(
                "audience_unknown", "the request is malformed", {"audience": ["no contract is pinned"]}
            )
        try:
            claims = self._verify(request, now)
            contract, admission = self._admit(claims)
        except TokenRejected as refusal:
            self._keep(replace(record, effect="reject", refusal=refusal.code), started)
            raise TokenRejected(refusal.code, refusal.message, decision_id=record.decision_id) from None
        record = self._masking.identify(_with_contract(record, contract, claims), claims, _sensitivities(contract))
        if isinstance(admission, Refused):
            decision = Decision(
                record.decision_id, False, (CONTRACT_VIOLATED,), violations=admission.violations, contract=contract.ref
            )
            ignored: tuple[str, ...] = ()
        else:
            decision = self._ask(request, contract, admission.principal, record.decision_id, started)
            ignored = admission.ignored
        self._keep(_with_decision(record, decision, ignored), started)
        return Answered(decision, ignored)

    def _verify(self, request: AccessRequest, now: float) -> VerifiedClaims:
        if not request.token:
            raise TokenRejected("token_missing", "no access token was sent")
        return self._verifier.verify(request.token, now=now, audience=request.audience)

    def _admit(self, claims: VerifiedClaims) -> tuple[Contract, Admitted | Refused]:
        """The first version that admits the claims, the pinned one before older ones; else the pinned refusal."""
        first: tuple[Contract, Admitted | Refused] | None = None
        for contract in self._catalog.candidates(claims.audience):
            admission = admit(contract, claims)
            if isinstance(admission, Admitted):
                return contract, admission
            first = first or (contract, admission)
        if first is None:
            raise TokenRejected("audience_mismatch", "no contract is pinned for the audience")
        return first

    def _ask(
        self, request: AccessRequest, contract: Contract, principal: Principal, decision_id: str, started: float
    ) -> Decision:
        faults = request_faults(contract, request.action, request.resource, request.context)
        if faults:
            raise RequestInvalid("request_breaks_contract", "the request does not fit the contract", faults)
        verdict = self._engine.ask(
            contract.decision_path, policy_input(contract, principal, request), deadline=started + self._budget
        )
        if not self._admits(verdict.revision):
            raise EngineUnavailable("policy_not_locked", "the engine serves policies that nobody locked")
        return Decision(
            decision_id,
            verdict.allow,
            verdict.reasons,
            verdict.obligations,
            contract=contract.ref,
            policy_revision=verdict.revision,
        )

    def _new_record(self, request: AccessRequest, request_id: str, now: float) -> DecisionRecord:
        return DecisionRecord(
            time=datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            decision_id=str(uuid.uuid4()),
            request_id=request_id,
            effect="reject",
            audience=request.audience or "",
            action=request.action.name,
            resource_type=request.resource.type,
            resource_id=request.resource.id,
        )

    def _keep(self, record: DecisionRecord, started: float) -> None:
        self._log.append(replace(record, duration_ms=round((time.monotonic() - started) * 1000, 3)))


def _with_contract(record: DecisionRecord, contract: Contract, claims: VerifiedClaims) -> DecisionRecord:
    return replace(
        record,
        audience=claims.audience,
        contract=f"{contract.ref.name}@{contract.ref.version}",
        contract_digest=contract.ref.digest,
    )


def _sensitivities(contract: Contract) -> dict[str, str]:
    return {name: contract.claims[name].sensitivity for name in MASKED if name in contract.claims}


def _with_decision(record: DecisionRecord, decision: Decision, ignored: tuple[str, ...]) -> DecisionRecord:
    return replace(
        record,
        effect="allow" if decision.allow else "deny",
        reasons=decision.reasons,
        policy_revision=decision.policy_revision or "",
        obligations=tuple(str(obligation.get("id", "")) for obligation in decision.obligations),
        violations=tuple(f"{violation.code}:{violation.claim}" for violation in decision.violations),
        ignored=ignored,
    )
