"""Opaque tokens bound to a key (RFC 9449 section 6.2): the issuer tells the key, the proof is over the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import TokenRejected
from entitlements.model import CertificateProof, DPoPProof, OpaqueTokens, Proof, TokenProfile
from entitlements.token import FileKeys, MemoryInProcess, Nonces, Possession, TokenVerifier, generate_key, mint
from entitlements.token.introspection import AnswerForm, Client, HttpEndpoint, IntrospectingVerifier
from tests.unit.token.proofs import CERTIFICATE, OTHER_CERTIFICATE, URL, jkt, proof_jwt

from .endpoints import FakeIssuer, says

ISSUER, AUDIENCE, NOW = "https://login.example.com", "https://api.example.com", 1001.0
TOKEN = "at_kilo-lima"
KEY, CLIENT_KEY, OTHER_KEY = (generate_key("ES256", name) for name in ("issuer", "client", "other"))
PROFILE = TokenProfile(ISSUER, AUDIENCE, ("ES256",), 3600, sender_constrained="permitted", opaque=OpaqueTokens())
BOUND: dict[str, Any] = {"cnf": {"jkt": jkt(CLIENT_KEY)}, "token_type": "DPoP"}


def active(**changes: Any) -> dict[str, Any]:
    found = {"active": True, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web"}
    return {**found, "iat": 1000, "exp": 1600, **changes}


def dpop(token: str = TOKEN, key: Any = CLIENT_KEY, **claims: Any) -> DPoPProof:
    return DPoPProof(proof_jwt(key, token, now=NOW, **claims), "GET", URL)


class World:
    """A verifier whose endpoint gives one answer."""

    def __init__(self, folder: Path) -> None:
        self.issuer = FakeIssuer()
        self._jwks = folder / "jwks.json"
        self._jwks.write_text(json.dumps({"keys": [KEY.public_jwk()]}))
        self._memory = MemoryInProcess(started_at=0, leeway=10)

    def verify(
        self,
        proof: Proof | None,
        profile: TokenProfile = PROFILE,
        form: AnswerForm = AnswerForm.JSON,
        token: str = TOKEN,
    ) -> str:
        keys = {ISSUER: FileKeys(self._jwks)}
        possession = Possession(self._memory, Nonces(), 10)
        client = Client("entitlements", "client_secret_basic", secret="s3cret of ours", form=form)
        endpoint = HttpEndpoint(
            ISSUER, self.issuer.url, client, timeout=5, cache_seconds=60, clock=lambda: NOW, monotonic=lambda: 0.0
        )
        jwts = TokenVerifier([profile], keys, possession=possession)
        verifier = IntrospectingVerifier([profile], jwts, keys, {ISSUER: endpoint})
        try:
            claims = verifier.verify(TOKEN, now=NOW, audience=AUDIENCE, proof=proof)
        except TokenRejected as refused:
            return refused.code
        assert claims.bound is (proof is not None)
        return "accepted"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.issuer.close()


@pytest.mark.parametrize(
    ("answer", "proof", "wanted"),
    [
        (BOUND, dpop(), "accepted"),
        (BOUND, None, "proof_missing"),
        (BOUND, CertificateProof(CERTIFICATE), "proof_missing"),
        (BOUND, dpop(token="at_other"), "proof_invalid"),
        (BOUND, dpop(key=OTHER_KEY), "proof_mismatch"),
        ({"cnf": {"x5t#S256": CERTIFICATE}}, CertificateProof(CERTIFICATE), "accepted"),
        ({"cnf": {"x5t#S256": CERTIFICATE}}, CertificateProof(OTHER_CERTIFICATE), "proof_mismatch"),
        ({"cnf": {"x5t#S256": CERTIFICATE}}, None, "proof_missing"),
        ({"token_type": "DPoP"}, dpop(), "sender_constrained"),
        ({"cnf": {}}, dpop(), "sender_constrained"),
        ({}, None, "accepted"),
        ({}, dpop(), "proof_unexpected"),
    ],
    ids=[
        *("dpop", "without a proof", "a certificate instead", "a proof of another token", "a proof by another key"),
        *("certificate", "another certificate", "no certificate", "a type without a key", "an empty cnf"),
        *("unbound", "an unbound one with a proof"),
    ],
)
def test_introspected_token_needs_the_proof_that_its_issuer_tells(
    world: World, answer: dict[str, Any], proof: Proof | None, wanted: str
) -> None:
    world.issuer.answer = says(active(**answer))
    assert world.verify(proof) == wanted


def test_answer_that_is_remembered_stands_for_no_proof(world: World) -> None:
    world.issuer.answer = says(active(**BOUND))
    assert world.verify(dpop()) == "accepted"
    assert world.verify(dpop()) == "proof_replayed"
    assert world.verify(None) == "proof_missing"


@pytest.mark.parametrize(
    ("sender_constrained", "answer", "wanted"),
    [
        ("refused", BOUND, "sender_constrained"),
        ("required", {}, "token_not_bound"),
        ("required", BOUND, "accepted"),
    ],
    ids=["refused", "required, unbound", "required, bound"],
)
def test_contract_decides_about_introspected_tokens_too(
    world: World, sender_constrained: str, answer: dict[str, Any], wanted: str
) -> None:
    world.issuer.answer = says(active(**answer))
    proof = dpop() if answer else None
    assert world.verify(proof, replace(PROFILE, sender_constrained=sender_constrained)) == wanted


def test_proof_is_over_the_opaque_token_and_not_over_the_jwt_behind_it(world: World) -> None:
    """The client never saw the JWT of a phantom token."""
    claims = {name: value for name, value in active(**BOUND, jti="j").items() if name not in ("active", "token_type")}
    phantom = mint(KEY, claims)
    world.issuer.answer = says({"active": True, "jwt": phantom})
    assert world.verify(dpop(), form=AnswerForm.TOKEN) == "accepted"
    assert world.verify(dpop(token=phantom, jti="p-2"), form=AnswerForm.TOKEN) == "proof_invalid"
    assert world.verify(None, form=AnswerForm.TOKEN) == "proof_missing"
