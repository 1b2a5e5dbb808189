"""The plain case of a decision, made on an event loop: an unbound token that was verified before, admitted, and asked.

It answers as `PolicyDecisionPoint` does, or declines: whatever is refused, fails or is not certain is left to that one,
which alone words refusals. So nothing here ends in an answer that the other would not give, and no doubt in an allow.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from entitlements.admission import admission_of
from entitlements.contract import Contract, PrincipalInput, Refused, asked_audience, request_faults
from entitlements.decision_log import DecisionRecord, LineTemplate, LoopLog, Masking, line_template
from entitlements.decision_record import time_of_record, with_contract
from entitlements.engine import LoopEngine
from entitlements.errors import EntitlementsError, RequestInvalid
from entitlements.model import AccessRequest, Decision, Verdict
from entitlements.pair import Pair, Pairs, Turn
from entitlements.pdp import decision_of
from entitlements.token import CachedToken


@dataclass(frozen=True, slots=True)
class Declined:
    """The ordinary decision point has to decide.

    since: when the engine was asked, on the monotonic clock; None where it was not, and no time of a budget is spent.
    """

    since: float | None = None


UNTRIED = Declined()
_ADMISSION = "admission"


class LeanLane(Protocol):
    """Where a lean decision is asked for."""

    async def decide(self, request: AccessRequest, *, request_id: str) -> Decision | Declined:
        """See LeanDecisionPoint.decide."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from a cached token by the contracts of a pair and from nothing else, to be kept with the token.

    subject, lines: what policies and the log are told of token and contract. The time is in neither of them.
    """

    pair: Pair
    contract: Contract
    subject: PrincipalInput
    lines: LineTemplate
    ignored: tuple[str, ...]


class LeanDecisionPoint:
    """Decides what is plain; see PolicyDecisionPoint for what both are given.

    turn: the one of the ordinary decision point, which judges alone while it is that of another pair than the current.
    """

    def __init__(
        self,
        *,
        pairs: Callable[[], Pairs],
        engine: LoopEngine,
        log: LoopLog,
        budget: float,
        masking: Masking,
        turn: Turn,
        default_audience: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pairs = pairs
        self._engine = engine
        self._log = log
        self._budget = budget
        self._masking = masking
        self._turn = turn
        self._default_audience = default_audience
        self._clock = clock

    async def decide(self, request: AccessRequest, *, request_id: str) -> Decision | Declined:
        """The decision that PolicyDecisionPoint would make, logged; or nothing was done but to ask the engine."""
        started = time.monotonic()
        now, decision_id = self._clock(), str(uuid.uuid4())
        pairs = self._pairs()
        pair = pairs.current
        known = self._admitted(pair, request, now) if self._turn.first(pairs) is pair else None
        if known is None or request_faults(known.contract, request.action, request.resource, request.context):
            return UNTRIED
        try:
            verdict = await self._ask(known, request, now, started + self._budget)
            if verdict is None:
                return Declined(started)
            decision = decision_of(decision_id, known.contract, verdict)
            duration = round((time.monotonic() - started) * 1000, 3)
            told_at = time_of_record(now)
            line = known.lines.line(decision, request, time=told_at, request_id=request_id, duration_ms=duration)
            # Written before the answer leaves; a log that would have to be waited for is for the ordinary route.
            kept = self._log.append_now(line)
        except EntitlementsError:
            return Declined(started)
        return replace(decision, ignored=known.ignored) if kept else Declined(started)

    def _admitted(self, pair: Pair, request: AccessRequest, now: float) -> _Known | None:
        """What is known of the token, or found out from what the verifier remembers of it."""
        audience = self._audience(request, pair)
        token = None if audience is None else pair.verifier.cached(request.token, now=now, audience=audience)
        if audience is None or token is None:
            return None
        known = token.made.get(_ADMISSION)
        if not isinstance(known, _Known) or known.pair is not pair:
            known = self._found(pair, token)
            token.made[_ADMISSION] = known
        return known

    def _found(self, pair: Pair, token: CachedToken) -> _Known | None:
        contract, admitted = admission_of(pair.catalog, token.claims)
        if isinstance(admitted, Refused):
            return None
        record = with_contract(DecisionRecord(ignored=admitted.ignored), contract, token.claims, self._masking)
        subject = PrincipalInput(contract, admitted.principal)
        return _Known(pair, contract, subject, line_template(record), admitted.ignored)

    def _audience(self, request: AccessRequest, pair: Pair) -> str | None:
        try:
            asked = asked_audience(
                pair.catalog, audience=request.audience, contract=request.contract, default=self._default_audience
            )
        except RequestInvalid:
            return None
        return asked if isinstance(asked, str) else None

    async def _ask(self, known: _Known, request: AccessRequest, now: float, deadline: float) -> Verdict | None:
        """The verdict by the pair's own policies; None where others answered. Raises DecisionUnavailable."""
        contract, pair = known.contract, known.pair
        document = known.subject.document(request, now)
        verdict = await self._engine.ask_on_loop(
            contract.decision_path, document, deadline=deadline, shape=contract.answer
        )
        self._turn.answered(verdict.revision)
        if pair.revision not in ("", verdict.revision) or pair.engine_version not in ("", verdict.engine_version):
            return None
        return verdict
