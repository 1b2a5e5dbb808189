"""Where policies see what claims say; of registered ones times at most stand under `input.subject.claims`."""

from __future__ import annotations

from entitlements.contract.actor import ACT
from entitlements.contract.document import ALWAYS_DECLARED, TOKEN_TIMES, Contract
from entitlements.profiles import introspected, names_client

_SEEN_AS = {
    "sub": "input.subject.id",
    "client_id": "input.subject.client_id",
    "iss": "input.subject.issuer",
    "scope": "input.subject.scopes",
}


def claim_places(name: str) -> tuple[tuple[str, ...], ...]:
    """Every path below `input` at which policies may see a claim under one contract or another."""
    among = ("subject", "claims", name)
    return (among, ("subject", "actor")) if name == ACT else (among,)


def seen_as(name: str) -> str:
    """Where policies see what a registered claim says, as advice; others they do not see."""
    if name in TOKEN_TIMES:
        return f"policies see it where the contract declares `{name}` and `time: {{zone: …}}`"
    return f"read `{_SEEN_AS[name]}`" if name in _SEEN_AS else "policies do not see it, the service checks it"


def seen_elsewhere(name: str) -> bool:
    """Whether policies see a registered claim at a place of its own."""
    return name in _SEEN_AS


def right_place(name: str) -> str:
    """What to add of an undeclared claim that is registered; empty of others."""
    if name not in ALWAYS_DECLARED:
        return ""
    if name in TOKEN_TIMES:
        return f": {seen_as(name)}"
    return f": a registered claim is never under `input.subject.claims`; {seen_as(name)}"


def always_names_client(contract: Contract) -> bool:
    """Whether every token of a contract names its client; policies see an empty `input.subject.client_id` of others."""
    declared = contract.claims.get("client_id")
    demanded = declared is not None and declared.required and "access_token" in declared.tokens
    if demanded and not contract.released_by["client_id"]:
        return True
    rules = contract.profile.rules
    return names_client(rules) and (contract.profile.opaque is None or names_client(introspected(rules)))
