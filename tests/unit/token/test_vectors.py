"""Every attack on a token's signature, header and claims that is written down, and beside it what must still pass."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from entitlements.errors import TokenRejected
from entitlements.token import Refusal, TokenVerifier

from .vectors import (
    AUDIENCE,
    AUDIENCE_B,
    ISSUER,
    ISSUER_B,
    NOW,
    PROFILE,
    PROFILE_B,
    Signers,
    load,
    payload_of,
    token_of,
)

VECTORS = [*load("signature_and_header"), *load("claims")]
# C10 is about scopes, which are the contract's.
THREATS = {f"J{number}" for number in range(1, 17)} | {f"C{number}" for number in range(1, 16)} - {"C10"}


@pytest.fixture(scope="module")
def signers() -> Signers:
    return Signers()


@pytest.fixture(scope="module")
def verifier(signers: Signers) -> TokenVerifier:
    return TokenVerifier(
        [PROFILE, PROFILE_B], {ISSUER: signers.keys_a, ISSUER_B: signers.keys_b}, leeway=10, monotonic=lambda: 0.0
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['threat']}: {vector['name'][:60]}" for vector in VECTORS])
def test_vector_is_answered_as_expected(vector: dict[str, Any], signers: Signers, verifier: TokenVerifier) -> None:
    token = token_of(vector, signers)
    # Twice: what is cached must not change an answer.
    for _ in range(2):
        if vector["expect"] == "accepted":
            (audience,) = verifier.audiences(token, now=NOW)
            claims = verifier.verify(token, now=NOW, audience=audience)
            for name in vector.get("same", []):
                assert claims.values[name] == payload_of(vector)[name]
            continue
        with pytest.raises(TokenRejected) as refusal:
            verifier.audiences(token, now=NOW)
        assert refusal.value.code == vector["expect"]
        for audience in (AUDIENCE, AUDIENCE_B):
            with pytest.raises(TokenRejected):
                verifier.verify(token, now=NOW, audience=audience)
        assert token[:40] not in str(refusal.value) or not token
        assert "eyJ" not in refusal.value.message


def test_no_vector_takes_long(signers: Signers, verifier: TokenVerifier) -> None:
    """J10, C12, C14, L4: the processor's time for one token, the best of three, whatever else the machine does."""

    def seconds(token: str) -> float:
        started = time.thread_time()
        with contextlib.suppress(TokenRejected):
            verifier.audiences(token, now=NOW)
        return time.thread_time() - started

    for vector in VECTORS:
        token = token_of(vector, signers)
        assert min(seconds(token) for _ in range(3)) < 0.05, vector["name"]


def test_every_threat_has_a_vector() -> None:
    assert {vector["threat"] for vector in VECTORS} == THREATS


# What an introspection answer says: test_introspection_answers.py.
NOT_OF_A_JWT = {Refusal.TOKEN_INACTIVE, Refusal.INTROSPECTION_DECLINED, Refusal.ISSUER_MISMATCH}


def test_every_refusal_code_has_a_vector() -> None:
    # What takes a memory or another contract is in test_possession.py.
    elsewhere = {"proof_replayed", "proof_nonce", "token_not_bound"}
    given = {vector["expect"] for vector in [*VECTORS, *load("possession")]} | elsewhere
    assert given - {"accepted"} == {code.value for code in Refusal if code not in NOT_OF_A_JWT}


def test_vectors_have_a_source_and_a_name_of_their_own() -> None:
    names = [(vector["threat"], vector["name"]) for vector in VECTORS]
    assert len(set(names)) == len(names)
    assert all(vector["source"] for vector in VECTORS)
