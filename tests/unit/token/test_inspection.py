"""Inspection tells every reason at once, and agrees with the verifier about whether there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import TokenRejected
from entitlements.model import TokenProfile
from entitlements.profiles import PROFILES, TOPICS, Sample, looks_like, remedy, topic_of
from entitlements.token import (
    FileKeys,
    Refusal,
    TokenVerifier,
    generate_key,
    inspect,
    mint,
    objections,
    parse_key_set,
    signature_of,
)

from .test_vectors import VECTORS
from .vectors import ISSUER_B, NOW, PROFILE, PROFILE_B, FixedKeys, Signers, token_of

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())


@pytest.fixture(scope="module")
def signers() -> Signers:
    return Signers()


def reasons(token: str, profile: TokenProfile, keys: Any, now: float) -> dict[str, str]:
    """The codes of all reasons with their texts, and under `signature` what is said of it."""
    seen = inspect(token)
    if seen.header is None or seen.payload is None:
        return {"signature": "", **{one.code: one.message for one in seen.refusals}}
    state = signature_of(token, keys, profile.algorithms, 0.0)
    found = (*((state.objection,) if state.objection else ()), *objections(seen.header, seen.payload, profile, now, 10))
    assert all(one.topic in TOPICS and remedy(profile.rules.name, one.topic) for one in found)
    return {"signature": state.state, **{one.code: one.text for one in found}}


@pytest.mark.parametrize("threat", sorted({vector["threat"] for vector in VECTORS}))
def test_reasons_hold_the_one_that_the_verifier_gives_and_none_for_a_good_token(threat: str, signers: Signers) -> None:
    for vector in (one for one in VECTORS if one["threat"] == threat):
        token = token_of(vector, signers)
        payload = inspect(token).payload or {}
        other = payload.get("iss") == ISSUER_B
        profile, keys = (PROFILE_B, signers.keys_b) if other else (PROFILE, signers.keys_a)
        found = reasons(token, profile, keys, NOW)
        if vector["expect"] == "accepted":
            assert found == {"signature": "holds"}, vector["name"]
        elif "iss" not in payload and "claim_missing" in found:
            assert vector["expect"] == "issuer_unknown", vector["name"]
        else:
            assert vector["expect"] in found, (vector["name"], found)


@pytest.mark.parametrize("profile", PROFILES)
def test_recorded_tokens_have_reasons_where_the_verifier_refuses_them(profile: str, tmp_path: Path) -> None:
    """Every recorded token by every profile, signed anew, as it was and as if a claim less were in it."""
    key = generate_key("ES256", "of-the-test")
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.public_jwk()]}))
    keys = FileKeys(tmp_path / "jwks.json")
    for name, wanted in EXPECTED.items():
        file = json.loads((FOLDER / f"{name}.json").read_text())
        issuer = str(file["payload"].get("iss", "https://login.example.com"))
        contract = TokenProfile(issuer, wanted["audience"], ("ES256",), 30 * 86400, PROFILES[profile])
        for less in ("", "nonce", "aud", "scope"):
            claims = {claim: value for claim, value in file["payload"].items() if claim != less}
            token = mint(key, claims, typ=file["header"].get("typ"))
            now = float(claims.get("iat", claims.get("exp", 2)) + 1)
            found = reasons(token, contract, keys, now)
            assert found.pop("signature") == "holds"
            code = refusal(token, contract, keys, now)
            assert (code in found) if code else not found, (name, less, code, found)


def refusal(token: str, contract: TokenProfile, keys: FileKeys, now: float) -> str:
    try:
        found = TokenVerifier([contract], {contract.issuer: keys}).verified(token, now=now, audience=contract.audience)
    except TokenRejected as refused:
        return refused.code
    assert found.claims.values
    return ""


def test_all_that_is_wrong_with_a_token_is_told_at_once(signers: Signers) -> None:
    key = signers.own["ES256"]
    claims = {"iss": PROFILE.issuer, "aud": "https://other.example", "sub": "u", "iat": NOW - 90_000, "exp": NOW - 60}
    token = mint(key, {**claims, "cnf": {"jkt": "A" * 43}}, typ="JWT")
    found = reasons(token, PROFILE, signers.keys_a, NOW)
    assert found.pop("signature") == "holds"
    assert found.keys() == {
        *("type_not_access_token", "claim_missing", "audience_mismatch", "token_expired", "lifetime_too_long"),
        "sender_constrained",
    }


def test_a_signature_is_told_whatever_else_is_wrong(signers: Signers) -> None:
    token = mint(signers.own["RS256"], {"typ": "ID"}, typ="JWT")
    assert reasons(token, PROFILE, signers.keys_a, NOW)["signature"] == "holds"
    forged = mint(signers.strangers["RS256"], {"typ": "ID"}, typ="JWT")
    assert "signature_invalid" in reasons(forged, PROFILE, signers.keys_a, NOW)
    unknown = mint(generate_key("ES256", "nobody"), {}, typ="JWT")
    told = reasons(unknown, PROFILE, signers.keys_a, NOW)
    assert (told["signature"], "unknown_key" in told) == ("not verified", True)


def test_every_code_and_topic_has_a_remedy_for_every_server() -> None:
    codes: list[str] = [code.value for code in Refusal]
    for code in (*codes, "type_mismatch", "value_not_permitted", "scope_malformed", "claim_undeclared"):
        assert topic_of(code) in TOPICS
    for profile in ("", *PROFILES):
        assert all(remedy(profile, topic) for topic in TOPICS)


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("keycloak/access-user-default", "keycloak"),
        ("keycloak/id-token", "keycloak"),
        ("hydra/access-client", "hydra"),
        ("spring/access-client", "spring"),
        ("node-oidc-provider/access-user", ""),
        ("node-oidc-provider/id-token", ""),
    ],
)
def test_a_token_shows_its_server_where_it_bears_a_mark(name: str, server: str) -> None:
    file: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    assert looks_like(Sample(file["header"], file["payload"])) == server


def test_a_key_without_algorithm_is_bound_by_the_contract_here_too(signers: Signers) -> None:
    key = signers.own["RS256"]
    nameless = FixedKeys(_without_algorithm(key.public_jwk()))
    token = mint(key, {"iss": PROFILE.issuer}, typ="at+jwt")
    assert signature_of(token, nameless, ("RS256",), 0.0).state == "holds"
    two = signature_of(token, nameless, ("RS256", "PS256"), 0.0)
    assert two.state == "not verified"
    assert two.objection is not None
    assert two.objection.code == "unknown_key"


def _without_algorithm(jwk: Mapping[str, Any]) -> Any:
    bare = {name: value for name, value in jwk.items() if name != "alg"}
    return parse_key_set(json.dumps({"keys": [bare]}).encode())
