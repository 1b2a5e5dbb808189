"""Tokens and answers beside the access token, held against a contract: what each kind may carry, and what it may not.

For a person at a terminal: this service decides by access tokens alone. A claim that the contract declares for other
kinds is a violation here, whatever `undeclared_claims` says: it reaches who was not to see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract.conformance import value_violations
from entitlements.contract.document import ALWAYS_DECLARED, ClaimSpec, Consumer, Contract
from entitlements.contract.extraction import extract
from entitlements.model import JSON, Violation

# What each kind holds by its own specification: OpenID Connect Core sections 2, 3.1.3.6, 3.3.2.11 and 5.3.2, the
# session of Front-Channel Logout section 3, RFC 7662 section 2.2, RFC 9701 section 5.
_PROTOCOL: Mapping[str, frozenset[str]] = {
    "id_token": frozenset({"auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sid"}),
    "userinfo": frozenset(),
    "introspection": frozenset({"active", "username", "token_type", "cnf", "act", "jwt", "phantom_token"}),
    "wrapper_token": frozenset({"cnf", "act"}),
    "access_token": frozenset({"cnf", "act"}),
}
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "id_token": ("iss", "sub", "aud", "exp", "iat"),
    "userinfo": ("sub",),
    "introspection": ("active",),
    "wrapper_token": ("iss", "exp"),
    "access_token": (),
}
OTHER_KINDS = ("id_token", "userinfo", "introspection", "wrapper_token")


def known_in(contract: Contract, kind: str) -> frozenset[str]:
    """The claims that mean nothing to the contract and may stand in this kind all the same."""
    return ALWAYS_DECLARED | contract.profile.rules.known | _PROTOCOL[kind]


def kind_violations(
    contract: Contract, kind: str, values: Mapping[str, JSON], granted: frozenset[str]
) -> tuple[Violation, ...]:
    """What in a token or answer of another kind than an access token breaks the contract.

    kind: one of `OTHER_KINDS`; values: all that it says; granted: its scopes, as far as it says them. A claim that a
    scope releases is not missed where that scope is not known to be granted.
    """
    return tuple(_violations(contract, kind, values, granted))


def _violations(
    contract: Contract, kind: str, values: Mapping[str, JSON], granted: frozenset[str]
) -> Iterator[Violation]:
    for name in _NEEDED[kind]:
        if name not in values:
            yield Violation("claim_missing", name, f"is required in {KIND_WORDS[kind]}")
    held = {name for name, claim in contract.claims.items() if kind in claim.tokens}
    found = extract(contract, held, values, introspected=kind == "introspection")
    yield from found.violations
    yield from value_violations(contract, found.present)
    for name in sorted(held - found.unreadable - found.present.keys()):
        released = contract.released_by[name]
        if contract.claims[name].required and (not released or released & granted):
            yield Violation("claim_missing", name, "is required")
    yield from _misplaced(contract, kind, values, held)
    if contract.reject_undeclared:
        known = known_in(contract, kind) | found.used | _tops(contract)
        for name in values:
            if name not in known:
                yield Violation("claim_undeclared", _shown(name), f"is not declared for {KIND_WORDS[kind]}")


KIND_WORDS: Mapping[str, str] = {
    "access_token": "an access token",
    "id_token": "an ID token",
    "userinfo": "a userinfo answer",
    "introspection": "an introspection answer",
    "wrapper_token": "a wrapper token",
}


def _misplaced(contract: Contract, kind: str, values: Mapping[str, JSON], held: set[str]) -> Iterator[Violation]:
    """The claims that the contract declares for other kinds only.

    An introspection answer represents an access token: what that may hold may stand in it.
    """
    for name, claim in contract.claims.items():
        belongs = name in held or (kind == "introspection" and "access_token" in claim.tokens)
        if belongs or name in ALWAYS_DECLARED or not _stands(claim, kind, values):
            continue
        places = " and ".join(KIND_WORDS[one] for one in claim.tokens)
        yield Violation("claim_misplaced", name, f"does not belong in {KIND_WORDS[kind]}, but in {places}")


def _stands(claim: ClaimSpec, kind: str, values: Mapping[str, JSON]) -> bool:
    found: Any = values
    for part in claim.extraction.path(claim.name, introspected=kind == "introspection"):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _tops(contract: Contract) -> frozenset[str]:
    """The names at the top under which declared claims stand; a wrong place is told by its own violation."""
    return frozenset(claim.extraction.path(claim.name)[0] for claim in contract.claims.values())


def consumer_violations(
    contract: Contract, consumer: Consumer, kind: str, values: Mapping[str, JSON]
) -> tuple[Violation, ...]:
    """What one consumer does not find in a token or answer of this kind, and what breaks it where it is strict.

    A claim is not missed that the contract declares for other kinds alone.
    """
    missed = []
    for name in consumer.relies_on:
        claim = contract.claims.get(name)
        there = _stands(claim, kind, values) if claim else name in values
        if not there and (claim is None or kind in claim.tokens):
            missed.append(Violation("claim_missing", name, f"is relied on by `{consumer.name}`"))
    known = known_in(contract, kind) | _tops(contract)
    added = [name for name in values if consumer.strict and name not in known]
    return (
        *missed,
        *(
            Violation("claim_undeclared", _shown(name), f"is not declared, and `{consumer.name}` is strict")
            for name in added
        ),
    )


def _shown(name: str) -> str:
    """A name that came with a token, made safe to print: printable ASCII of bounded length."""
    return name if name.isascii() and name.isprintable() and len(name) <= 64 else ascii(name)[1:-1][:64]
