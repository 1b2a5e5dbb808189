"""Readiness is the ability to decide: which pinned audiences can be decided now, and what is wrong beside it.

A problem that leaves decisions going on is reported as `degraded` and takes no replica out of service: what several
replicas share (an issuer, a lock) would otherwise take all of them out at once.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from entitlements.contract import ACT, Catalog
from entitlements.decision_log import MASKED, JsonLinesLog, Masking
from entitlements.engine import PolicyEngine
from entitlements.model import JSON, Fetched, PartHealth, Problem, not_ready
from entitlements.pair import Pair
from entitlements.pairs import Offer, ServedPairs
from entitlements.token import KeySource

# The parts that every decision needs; keys are needed by the audiences of their issuer.
_NEEDED = ("engine", "decision_log")


@dataclass(frozen=True)
class Readiness:
    """What could be decided at one moment.

    parts: the health of each; audiences: by pinned audience the codes of what keeps it from being decided, none where
    it is decided.
    """

    parts: Mapping[str, PartHealth]
    audiences: Mapping[str, tuple[str, ...]]

    @property
    def ready(self) -> bool:
        """Whether some pinned audience can be decided."""
        return any(not codes for codes in self.audiences.values())

    @property
    def degraded(self) -> tuple[tuple[str, Problem], ...]:
        """Every problem with the name of its part."""
        return tuple((name, problem) for name, part in self.parts.items() for problem in part.problems)


def readiness_of(
    served: ServedPairs,
    watched: PartHealth,
    engine: PolicyEngine,
    keys: Mapping[str, KeySource],
    introspection: Mapping[str, PartHealth],
    log: PartHealth,
    *,
    unlocked: bool,
    today: datetime.date,
) -> Readiness:
    """Ask each part.

    watched: the health of whoever takes up edits and locks; keys, introspection: by issuer; today: by the wall clock.
    """
    offer = served.offer
    now = time.monotonic()
    by_issuer = {issuer: source.health(now) for issuer, source in keys.items()}
    fetched = {issuer: source.fetched(now) for issuer, source in keys.items()}
    parts = {
        "contracts": _contracts_health(offer, watched, today, unlocked=unlocked),
        "engine": _engine_health(engine.health(), served),
        "keys": keys_health(by_issuer, fetched, {issuer: source.leaked for issuer, source in keys.items()}),
        **({"introspection": _introspection_health(introspection)} if introspection else {}),
        "decision_log": log,
    }
    lacking = tuple(problem.code for name in _NEEDED if not parts[name].ready for problem in parts[name].problems)
    audiences = {
        audience: lacking or _keys_lacking(offer.catalog, audience, by_issuer) for audience in offer.catalog.audiences
    }
    return Readiness(parts, audiences)


def log_health(log: JsonLinesLog, masking: Masking, catalog: Catalog) -> PartHealth:
    """The health of the decision log; it names the key that masks, where a contract has something masked."""
    health = log.health()
    masks = any(
        contract.claims[name].sensitivity == "pii"
        for contract in catalog.contracts
        for name in (*MASKED, *([ACT] if contract.actor is not None else []))
        if name in contract.claims
    )
    return replace(health, detail={**health.detail, **masking.detail(masks=masks)})


def _introspection_health(by_issuer: Mapping[str, PartHealth]) -> PartHealth:
    """What is wrong with endpoints; tokens that are verified here are decided all the same."""
    problems = [
        Problem(problem.code, f"{issuer}: {problem.text}")
        for issuer, health in by_issuer.items()
        for problem in health.problems
    ]
    return PartHealth(True, tuple(problems), {"issuers": [*by_issuer]})


def _keys_lacking(catalog: Catalog, audience: str, by_issuer: Mapping[str, PartHealth]) -> tuple[str, ...]:
    """Why no token for the audience can be verified; nothing where those of one served version can."""
    issuers = [contract.profile.issuer for contract in catalog.candidates(audience)]
    health = [by_issuer[issuer] for issuer in dict.fromkeys(issuers) if issuer in by_issuer]
    if any(one.ready for one in health):
        return ()
    return tuple(dict.fromkeys(problem.code for one in health for problem in one.problems)) or ("keys_unavailable",)


def _contracts_health(offer: Offer, watched: PartHealth, today: datetime.date, *, unlocked: bool) -> PartHealth:
    """What is served, which serves on whatever is wrong with what is on disk."""
    pinned: list[JSON] = [f"{contract.ref.name}@{contract.ref.version}" for contract in offer.catalog.contracts]
    detail: dict[str, JSON] = {"pinned": pinned, "release": offer.release.revision}
    if unlocked:
        return PartHealth(True, watched.problems, {**detail, "unlocked": True})
    edits = () if watched.problems else tuple(Problem(fault.code, str(fault)) for fault in offer.edits)
    rolled_back = Problem("release_rolled_back", "the release was rolled back")
    problems = [
        *watched.problems,
        *edits,
        *_expired(offer, today),
        *([rolled_back] if offer.lock.rollback is not None else []),
    ]
    return PartHealth(True, tuple(problems), detail)


def _expired(offer: Offer, today: datetime.date) -> Sequence[Problem]:
    """The approvals that ran out: as the lock was taken up, or since then."""
    evidence = offer.evidence
    if evidence is None:
        return []
    if evidence.lapsed:
        return [
            Problem(
                "approval_expired",
                f"an approval of `{one.contract}` ran out, {one.days_left} days are left when this service started",
            )
            for one in evidence.lapsed
        ]
    return [
        Problem("approval_expired", f"an approval that serving `{audience}` rests on ran out on {day}")
        for audience, day in evidence.expires.items()
        if day < today
    ]


def _engine_health(health: PartHealth, served: ServedPairs) -> PartHealth:
    """The engine's health; it must serve what was locked, by the version of OPA that it was proved with."""
    if not health.ready:
        return health
    now = served.now
    pair = now.of(str(health.detail.get("revision", "")))
    if pair is None:
        text = "the policies of the engine are not those of the locked release, nor of the one before it"
        return not_ready("policy_not_locked", text, health.detail)
    if pair.engine_version not in ("", health.detail.get("version")):
        return not_ready("engine_version", _other_version(pair), health.detail)
    if pair is not now.current:
        behind = Problem("engine_behind", "the engine serves the release before the locked one")
        return replace(health, problems=(*health.problems, behind))
    return health


def _other_version(pair: Pair) -> str:
    return f"the release was proved with OPA {pair.engine_version}, and the engine is another version"


def keys_health(
    by_issuer: Mapping[str, PartHealth],
    fetched: Mapping[str, Sequence[Fetched]],
    leaked: Mapping[str, Sequence[str]],
) -> PartHealth:
    """Ready while the tokens of one issuer can be verified."""
    problems = [
        Problem(problem.code, f"{issuer}: {problem.text}")
        for issuer, health in by_issuer.items()
        for problem in health.problems
    ]
    alarms: list[JSON] = [
        {"code": "key_leaked", "issuer": issuer, "kid": kid} for issuer, kids in leaked.items() for kid in kids
    ]
    ready = any(health.ready for health in by_issuer.values())
    told: dict[str, JSON] = {issuer: [_fetched(one) for one in documents] for issuer, documents in fetched.items()}
    return PartHealth(ready, tuple(problems), {"issuers": [*by_issuer], "fetched": told, "alarms": alarms})


def _fetched(one: Fetched) -> JSON:
    return {
        "what": one.what,
        "source": one.source,
        "age_seconds": _rounded(one.age),
        "failures": one.failures,
        "last_failure": one.last_failure,
        "last_failure_age_seconds": _rounded(one.last_failure_age),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(seconds, 0.0), 3)
