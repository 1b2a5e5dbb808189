"""A key without `alg` is for the one algorithm of its family that the contracts permit, or for none (RFC 8725 3.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from entitlements.errors import TokenRejected
from entitlements.model import TokenProfile
from entitlements.token import SigningKey, TokenVerifier, generate_key, parse_key_set

from .vectors import AUDIENCE, AUDIENCE_B, ISSUER, NOW, FixedKeys, Signers, token_of

SIGNERS = Signers()


def without_alg(key: SigningKey) -> dict[str, Any]:
    return {name: value for name, value in key.public_jwk().items() if name not in ("alg", "use")}


def outcome(algorithm: str, *permitted: Sequence[str], published: dict[str, Any] | None = None) -> str:
    """What becomes of a token under `algorithm`, with contracts of two audiences that permit these algorithms."""
    jwk = published or without_alg(SIGNERS.own[algorithm])
    keys = FixedKeys(parse_key_set(json.dumps({"keys": [jwk]}).encode()))
    audiences = (AUDIENCE, AUDIENCE_B)
    profiles = [TokenProfile(ISSUER, name, tuple(one), 3600) for name, one in zip(audiences, permitted, strict=False)]
    verifier = TokenVerifier(profiles, {ISSUER: keys}, monotonic=lambda: 0.0)
    try:
        return verifier.verify(token_of({"sign": algorithm}, SIGNERS), now=NOW, audience=AUDIENCE).algorithm
    except TokenRejected as refusal:
        return refusal.code


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"])
def test_key_without_alg_is_for_the_only_algorithm_that_is_permitted(algorithm: str) -> None:
    assert outcome(algorithm, [algorithm]) == algorithm


@pytest.mark.parametrize("other", ["PS256", "RS384", "RS512"])
def test_key_without_alg_is_for_none_where_two_are_permitted(other: str) -> None:
    assert outcome("RS256", ["RS256", other]) == "unknown_key"
    # Also where the contracts of two APIs permit one each: the key is the same.
    assert outcome("RS256", ["RS256"], [other]) == "unknown_key"
    assert outcome("RS256", ["RS256", "ES256"], ["RS256"]) == "RS256"


def test_key_with_alg_needs_no_contract_to_be_bound() -> None:
    jwk = SIGNERS.own["RS256"].public_jwk()
    assert outcome("RS256", ["RS256", "PS256"], published=jwk) == "RS256"
    assert outcome("PS256", ["RS256", "PS256"], published={**SIGNERS.own["PS256"].public_jwk(), "alg": "RS256"}) == (
        "unknown_key"
    )


def test_two_names_of_one_algorithm_are_no_choice() -> None:
    assert outcome("Ed25519", ["EdDSA", "Ed25519"]) == "Ed25519"
    assert outcome("EdDSA", ["EdDSA", "Ed25519"]) == "EdDSA"


def test_token_under_another_algorithm_than_the_permitted_one_is_refused() -> None:
    assert outcome("RS256", ["PS256"]) == "algorithm_not_permitted"
    key = generate_key("PS256", "PS256")
    assert outcome("PS256", ["PS256"], published=without_alg(key)) == "signature_invalid"
