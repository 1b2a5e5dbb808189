"""The one story of a decision: verify the token, conform its claims, ask the engine, log, answer.

Deny is a value, "cannot tell" is an error, a bug is a crash. Each step's output is the next one's input, so that no
step can be skipped. An allow that could not be logged is not given.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from entitlements.admission import admission_of
from entitlements.contract import Contract, Refused, asked_audience, policy_input, request_faults
from entitlements.decision_log import DecisionLog, DecisionRecord, Masking
from entitlements.decision_record import with_contract, with_decision, with_request
from entitlements.engine import PolicyEngine
from entitlements.errors import Challenge, EngineUnavailable, RequestInvalid, TokenRejected
from entitlements.model import AccessRequest, Decision, DPoPProof, Principal, Verdict, VerifiedClaims
from entitlements.pair import Pair, Pairs, Turn

CONTRACT_VIOLATED = "contract_violated"
# How often the engine may change over to other policies during one decision.
_CHANGES = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """What the decisions of one batch have in common. deadline: of the last one, on the monotonic clock."""

    id: str
    deadline: float


class _OtherRevision(Exception):
    """The engine answered with the policies of another pair than the contracts that it was asked by."""

    def __init__(self, revision: str) -> None:
        super().__init__(revision)
        self.revision = revision


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request on its way: the pairs that may decide it, its decision id, the time for token times, and when an
    answer has to be there.

    audience: of the API that asks, by the contracts of the current pair, or why its names lead to none of theirs;
    owner: for whom a proof of possession is good, which is one decision or one batch.
    """

    request: AccessRequest
    pairs: Pairs
    audience: str | RequestInvalid
    id: str
    owner: str
    now: float
    deadline: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A decision by one pair, with the contract that admitted the claims, or refused them."""

    claims: VerifiedClaims
    contract: Contract
    decision: Decision

    @property
    def by_engine(self) -> bool:
        """Whether policy decided; a contract that refuses claims does without."""
        return self.decision.policy_revision is not None


class PolicyDecisionPoint:
    """Decides access requests.

    pairs: by which it decides now; awaited: the pairs as soon as one of them has a revision, or at a monotonic time;
    budget: seconds one decision may take in all; clock: seconds since the epoch, for token times; masking: how records
    name subject and client where the contract marks them as pii; default_audience: the pinned audience of callers that
    name none, empty for none.
    """

    def __init__(
        self,
        *,
        pairs: Callable[[], Pairs],
        engine: PolicyEngine,
        log: DecisionLog,
        budget: float,
        clock: Callable[[], float] = time.time,
        masking: Masking | None = None,
        default_audience: str = "",
        awaited: Callable[[str, float], Pairs] | None = None,
    ) -> None:
        self._pairs = pairs
        self._awaited = awaited or (lambda _revision, _until: pairs())
        self.turn = Turn()
        self._engine = engine
        self._log = log
        self._budget = budget
        self._clock = clock
        self._masking = masking or Masking()
        self._default_audience = default_audience

    @property
    def budget(self) -> float:
        """How many seconds one decision, or one batch, may take in all."""
        return self._budget

    def decide(
        self, request: AccessRequest, *, request_id: str = "", since: float | None = None, batch: Batch | None = None
    ) -> Decision:
        """Decide one access request.

        since: from when on its budget counts, on the monotonic clock; None for now; batch: that it is one of.

        Raises TokenRejected (the token is no valid access token; names the decision id), RequestInvalid (the request
        does not fit the contract) and DecisionUnavailable (no decision can be made); all else is an allow or a deny.
        """
        started = time.monotonic() if since is None else since
        now = self._clock()
        pairs = self._pairs()
        audience = self._audience(request, pairs.current)
        record = self._new_record(request, audience, request_id, now)
        owner, deadline = record.decision_id, started + self._budget
        if batch is not None:
            record, owner, deadline = replace(record, batch_id=batch.id), batch.id, batch.deadline
        asked = _Asked(request, pairs, audience, record.decision_id, owner, now, deadline)
        try:
            outcome = self._decide_by(asked)
        except TokenRejected as refusal:
            self._keep(replace(record, effect="reject", refusal=refusal.code), started)
            challenge = refusal.challenge or _challenge(asked)
            raise TokenRejected(
                refusal.code, refusal.message, decision_id=record.decision_id, challenge=challenge
            ) from None
        contract = outcome.contract
        record = with_contract(record, contract, outcome.claims, self._masking)
        self._keep(with_decision(record, outcome.decision), started)
        return outcome.decision

    def _decide_by(self, asked: _Asked) -> _Outcome:
        """The outcome by the pair whose policies the engine serves: its answer says which, and chooses the contracts.

        Raises EngineUnavailable `policy_not_locked` where that is neither pair.
        """
        pair = self.turn.first(asked.pairs)
        for _ in range(_CHANGES):
            try:
                outcome = self._by(pair, asked)
            except _OtherRevision as other:
                asked, pair = self._other_pair(asked, other.revision)
                continue
            except RequestInvalid:
                if (decided := self._by_another(pair, asked)) is None:
                    raise
                return decided
            except TokenRejected:
                if not asked.pairs.differ_in_tokens or (decided := self._by_another(pair, asked)) is None:
                    raise
                return decided
            if outcome.by_engine:
                return outcome
            return self._by_another(pair, asked) or outcome
        raise _not_locked()

    def _other_pair(self, asked: _Asked, revision: str) -> tuple[_Asked, Pair]:
        """The pair of a revision that the engine changed over to. Raises EngineUnavailable `policy_not_locked`.

        An engine elsewhere may be faster than this service with a new lock: half of the time that is left is waited.
        """
        if (found := asked.pairs.of(revision)) is not None:
            return asked, found
        now = time.monotonic()
        pairs = self._awaited(revision, now + (asked.deadline - now) / 2)
        if (found := pairs.of(revision)) is None:
            raise _not_locked()
        return replace(asked, pairs=pairs, audience=self._audience(asked.request, pairs.current)), found

    def _by_another(self, refusing: Pair, asked: _Asked) -> _Outcome | None:
        """What the engine decides by the other pair, if it serves that; by the one that refuses it was not asked."""
        for pair in (asked.pairs.current, asked.pairs.previous):
            if pair is not None and pair is not refusing:
                try:
                    outcome = self._by(pair, asked)
                except (_OtherRevision, RequestInvalid, TokenRejected):
                    continue
                if outcome.by_engine:
                    return outcome
        return None

    def _by(self, pair: Pair, asked: _Asked) -> _Outcome:
        request = asked.request
        current = pair is asked.pairs.current
        audience = asked.audience if current else self._audience(request, pair)
        if not request.token:
            raise TokenRejected("token_missing", "no access token was sent")
        if isinstance(audience, RequestInvalid):
            # Only who holds a token of some pinned audience is told that the name leads nowhere.
            pair.verifier.audiences(request.token, now=asked.now, proof=request.proof, decision_id=asked.owner)
            raise audience
        claims = pair.verifier.verify(
            request.token, now=asked.now, audience=audience, proof=request.proof, decision_id=asked.owner
        )
        contract, admission = admission_of(pair.catalog, claims)
        if isinstance(admission, Refused):
            violations = admission.violations
            decision = Decision(asked.id, False, (CONTRACT_VIOLATED,), violations=violations, contract=contract.ref)
            return _Outcome(claims, contract, decision)
        decision = self._ask(pair, asked, contract, admission.principal)
        return _Outcome(claims, contract, replace(decision, ignored=admission.ignored))

    def _ask(self, pair: Pair, asked: _Asked, contract: Contract, principal: Principal) -> Decision:
        request = asked.request
        faults = request_faults(contract, request.action, request.resource, request.context)
        if faults:
            raise RequestInvalid("request_breaks_contract", "the request does not fit the contract", faults)
        document = policy_input(contract, principal, request, asked.now)
        verdict = self._engine.ask(contract.decision_path, document, deadline=asked.deadline, shape=contract.answer)
        self.turn.answered(verdict.revision)
        if pair.revision not in ("", verdict.revision):
            raise _OtherRevision(verdict.revision)
        if pair.engine_version not in ("", verdict.engine_version):
            raise EngineUnavailable("engine_version", "the engine is not the OPA of the proof")
        return decision_of(asked.id, contract, verdict)

    def _audience(self, request: AccessRequest, pair: Pair) -> str | RequestInvalid:
        """The audience of the API that asks. Raises RequestInvalid where it names none and has to."""
        return asked_audience(
            pair.catalog, audience=request.audience, contract=request.contract, default=self._default_audience
        )

    def _new_record(
        self, request: AccessRequest, asked: str | RequestInvalid, request_id: str, now: float
    ) -> DecisionRecord:
        record = DecisionRecord(effect="reject", audience=asked if isinstance(asked, str) else request.audience or "")
        return with_request(record, request, decision_id=str(uuid.uuid4()), request_id=request_id, now=now)

    def _keep(self, record: DecisionRecord, started: float) -> None:
        self._log.append(replace(record, duration_ms=round((time.monotonic() - started) * 1000, 3)))


def _challenge(asked: _Asked) -> Challenge:
    """By which schemes a token may be sent: as this one was, or as any contract here permits.

    Never as the contract of the audience that is named: an answer does not say which ones are pinned.
    """
    if isinstance(asked.request.proof, DPoPProof):
        return Challenge(("DPoP",))
    permitted = any(profile.permits(bound=True) for profile in asked.pairs.current.catalog.profiles)
    return Challenge(("DPoP", "Bearer") if permitted else ("Bearer",))


def _not_locked() -> EngineUnavailable:
    return EngineUnavailable("policy_not_locked", "the engine serves policies that are not the locked ones")


def decision_of(decision_id: str, contract: Contract, verdict: Verdict) -> Decision:
    """The decision by the engine's verdict."""
    return Decision(
        decision_id,
        verdict.allow,
        verdict.reasons,
        verdict.obligations,
        contract=contract.ref,
        policy_revision=verdict.revision,
    )
