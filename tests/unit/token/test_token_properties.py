"""For every text, not only for those in the vectors: a refusal or verified claims, and never other claims."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.errors import TokenRejected
from entitlements.model import VerifiedClaims
from entitlements.token import TokenVerifier
from entitlements.token.compact import encode

from .vectors import AUDIENCE, ISSUER, NOW, PROFILE, Signers, payload_of

SIGNERS = Signers()
VERIFIER = TokenVerifier([PROFILE], {ISSUER: SIGNERS.keys_a}, leeway=10, monotonic=lambda: 0.0)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é"
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["alg", "kid", "typ", "crit", "iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "scope", "cnf", "x"]
)


def signed(header: Any, payload: Any, algorithm: str = "ES256") -> str:
    """A token of any header and payload, signed with the issuer's own key."""
    signing_input = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}"
    return f"{signing_input}.{encode(SIGNERS.own[algorithm].sign(signing_input.encode()))}"


def good_header(algorithm: str = "ES256") -> dict[str, Any]:
    return {"alg": algorithm, "kid": algorithm, "typ": "at+jwt"}


def outcome(token: str) -> VerifiedClaims | None:
    """The claims, or None for a refusal. Any other exception fails the test."""
    try:
        return VERIFIER.verify(token, now=NOW, audience=AUDIENCE)
    except TokenRejected:
        return None


@given(st.text(max_size=200) | st.text(LETTERS, max_size=400))
def test_any_text_is_refused(text: str) -> None:
    assert outcome(text) is None


@given(header=VALUES, payload=VALUES)
def test_any_signed_json_is_refused(header: Any, payload: Any) -> None:
    assert outcome(signed(header, payload)) is None


@given(st.dictionaries(MEMBERS, VALUES, max_size=5))
def test_any_header_over_good_claims_gives_an_answer(changes: dict[str, Any]) -> None:
    claims = outcome(signed(good_header() | changes, payload_of({})))
    assert claims is None or dict(claims.values) == payload_of({})


@given(st.dictionaries(MEMBERS, VALUES, max_size=5))
def test_any_claims_under_a_good_signature_give_an_answer_and_stay_as_they_are(changes: dict[str, Any]) -> None:
    payload = payload_of({}) | changes
    claims = outcome(signed(good_header(), payload))
    assert claims is None or json.dumps(dict(claims.values)) == json.dumps(payload)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@settings(max_examples=150)
@given(data=st.data())
def test_a_changed_letter_never_gives_other_claims(algorithm: str, data: st.DataObject) -> None:
    token = signed(good_header(algorithm), payload_of({}), algorithm)
    assert outcome(token) is not None
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    ways = [token[:place] + letter + token[place + 1 :], token[:place], token[:place] + letter + token[place:]]
    changed = data.draw(st.sampled_from(ways))
    assert changed == token or outcome(changed) is None
