"""Tokens of real servers by every profile: the server's own access tokens are admitted, and no other token ever is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import TokenRejected
from entitlements.model import TokenProfile, TokenRules, VerifiedClaims
from entitlements.profiles import PROFILES, client_of, scopes_of, shaped, subject_of
from entitlements.token import FileKeys, SigningKey, TokenVerifier, access_token_claims, generate_key, mint

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
FILES: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in EXPECTED}
ACCESS = [name for name, file in FILES.items() if file["kind"] == "access_token"]
OTHERS = [name for name, file in FILES.items() if file["kind"] != "access_token"]
ALGORITHMS = ("ES256", "EdDSA", "RS256")
STRIPPED = ("nonce", "at_hash", "c_hash")


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return generate_key("ES256", "of-the-test")


def rules_of(name: str, profile: str = "") -> TokenRules:
    wanted = EXPECTED[name]
    return replace(PROFILES[profile or wanted["profile"]], audience_is=wanted.get("audience_is", ""))


def verify(folder: Path, token: str, jwks: Any, name: str, rules: TokenRules, now: float) -> VerifiedClaims:
    issuer = str(FILES[name]["payload"].get("iss", "https://login.example.com"))
    profile = TokenProfile(issuer, EXPECTED[name]["audience"], ALGORITHMS, 30 * 86400, rules)
    path = folder / "jwks.json"
    path.write_text(json.dumps(jwks))
    return TokenVerifier([profile], {issuer: FileKeys(path)}).verify(token, now=now, audience=profile.audience)


def now_of(payload: Mapping[str, Any]) -> float:
    return float(payload.get("iat", payload.get("exp", 2)) + 1)


@pytest.mark.parametrize("name", FILES)
def test_recorded_token_is_judged_by_its_servers_profile(name: str, tmp_path: Path) -> None:
    file, refused = FILES[name], EXPECTED[name].get("refused")

    def judged() -> VerifiedClaims:
        jwks = file.get("jwks", {"keys": []})
        return verify(tmp_path, file["token"], jwks, name, rules_of(name), now_of(file["payload"]))

    if not refused:
        claims = judged()
        assert claims.values == file["payload"]
        assert subject_of(rules_of(name), claims.values) == file["payload"]["sub"]
        assert scopes_of(rules_of(name), claims.values) is not None
        return
    with pytest.raises(TokenRejected) as refusal:
        judged()
    assert refused is True or refusal.value.code == refused


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", OTHERS)
def test_no_other_token_is_an_access_token_by_any_profile(
    name: str, profile: str, tmp_path: Path, key: SigningKey
) -> None:
    """Signed by a trusted key, so that only the profile stands between; with and without what ID tokens may lack."""
    file = FILES[name]
    payload = {"iss": "https://login.example.com", "exp": 4e9, **file["payload"]}
    for claims in (payload, {claim: value for claim, value in payload.items() if claim not in STRIPPED}):
        token = mint(key, claims, typ=file["header"].get("typ"))
        with pytest.raises(TokenRejected) as refusal:
            verify(tmp_path, token, {"keys": [key.public_jwk()]}, name, rules_of(name, profile), now_of(claims))
        assert refusal.value.code not in ("signature_invalid", "unknown_key", "token_expired")


def issued(profile: str, **changes: Any) -> tuple[str | None, dict[str, Any], TokenProfile]:
    """What a server of this kind issues, and the profile of a contract for it."""
    rules = PROFILES[profile]
    if profile == "cognito":
        rules = replace(rules, audience_clients=("web",))
    claims = access_token_claims(
        issuer="https://login.example.com",
        audience="https://api.example.com",
        subject="u_1",
        client_id="web",
        now=1000.0,
        lifetime=600,
        scopes=("orders:read",),
    )
    kind, shape = shaped(rules, claims)
    contract = TokenProfile("https://login.example.com", "https://api.example.com", ALGORITHMS, 3600, rules)
    return kind, {**shape, **changes}, contract


def judge(folder: Path, key: SigningKey, kind: str | None, claims: Mapping[str, Any], contract: TokenProfile) -> str:
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": [key.public_jwk()]}))
    verifier = TokenVerifier([contract], {contract.issuer: FileKeys(path)})
    try:
        found = verifier.verify(mint(key, claims, typ=kind), now=1001.0, audience=contract.audience)
    except TokenRejected as refusal:
        return refusal.code
    assert client_of(contract.rules, found.values) == "web" or profile_names_no_client(contract)
    assert scopes_of(contract.rules, found.values) == ("orders:read",)
    return "accepted"


def profile_names_no_client(contract: TokenProfile) -> bool:
    return not {*contract.rules.client} & {*contract.rules.registered}


@pytest.mark.parametrize("profile", PROFILES)
def test_token_as_the_server_issues_it_is_accepted(profile: str, tmp_path: Path, key: SigningKey) -> None:
    assert judge(tmp_path, key, *issued(profile)) == "accepted"


NEAR_MISSES: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "rfc9068": [("JWT", {}, "type_not_access_token"), ("at+jwt", {"nonce": "n"}, "id_token")],
    "keycloak": [
        ("JWT", {"typ": kind}, code)
        for kind, code in (
            *(("ID", "id_token"), ("Refresh", "type_not_access_token"), ("Offline", "type_not_access_token")),
            *(
                ("Logout", "type_not_access_token"),
                ("bearer", "type_not_access_token"),
                (None, "type_not_access_token"),
            ),
        )
    ],
    "hydra": [("JWT", {name: "x"}, "id_token") for name in ("at_hash", "rat", "sid", "auth_time", "nonce")],
    "spring": [(None, {name: "x"}, "id_token") for name in ("azp", "auth_time", "sid", "nonce")],  # type: ignore[list-item]
    "zitadel": [("JWT", {name: "x"}, "id_token") for name in ("azp", "amr", "at_hash", "nonce")],
    "auth0": [("JWT", {"aud": "web"}, "type_not_access_token"), ("JWT", {"nonce": "n"}, "id_token")],
    "okta": [(None, {"jti": "ID.1"}, "type_not_access_token"), (None, {"amr": ["pwd"]}, "id_token")],  # type: ignore[list-item]
    "entra-v2": [
        ("JWT", {"aud": "web"}, "type_not_access_token"),
        ("JWT", {"ver": "1.0"}, "type_not_access_token"),
        ("JWT", {"nonce": "n"}, "id_token"),
    ],
    "entra-v1": [("JWT", {"aud": "web"}, "type_not_access_token"), ("JWT", {"ver": "2.0"}, "type_not_access_token")],
    "cognito": [
        (None, {"token_use": "id"}, "type_not_access_token"),  # type: ignore[list-item]
        (None, {"client_id": "other"}, "audience_mismatch"),  # type: ignore[list-item]
        (None, {"aud": "https://other.example.com"}, "audience_mismatch"),  # type: ignore[list-item]
    ],
    "pingone": [(None, {"aud": "web"}, "type_not_access_token"), (None, {"nonce": "n"}, "id_token")],  # type: ignore[list-item]
    "curity": [("JWT", {"purpose": "id"}, "type_not_access_token"), ("JWT", {"at_hash": "x"}, "id_token")],
}


@pytest.mark.parametrize(
    ("profile", "number"), [(profile, number) for profile, cases in NEAR_MISSES.items() for number in range(len(cases))]
)
def test_near_miss_is_refused(profile: str, number: int, tmp_path: Path, key: SigningKey) -> None:
    kind, changes, wanted = NEAR_MISSES[profile][number]
    _, claims, contract = issued(profile, **changes)
    assert judge(tmp_path, key, kind, claims, contract) == wanted


def test_every_profile_has_near_misses() -> None:
    assert NEAR_MISSES.keys() == PROFILES.keys()


@pytest.mark.parametrize("profile", PROFILES)
def test_without_its_marker_a_token_is_refused(profile: str, tmp_path: Path, key: SigningKey) -> None:
    kind, claims, contract = issued(profile)
    marker = contract.rules.marker
    if marker is None:
        assert contract.rules.header_types == ("at+jwt",)
        return
    for condition in (marker, *marker.parts):
        if condition.claim in claims:
            less = {name: value for name, value in claims.items() if name != condition.claim}
            assert judge(tmp_path, key, kind, less, contract) in ("type_not_access_token", "claim_missing")


@pytest.mark.parametrize("profile", ["keycloak", "auth0", "curity"])
def test_claims_for_the_client_have_to_agree(profile: str, tmp_path: Path, key: SigningKey) -> None:
    kind, claims, contract = issued(profile)
    assert judge(tmp_path, key, kind, {**claims, "azp": "web", "client_id": "web"}, contract) == "accepted"
    assert judge(tmp_path, key, kind, {**claims, "azp": "web", "client_id": "other"}, contract) == "claim_invalid"


@pytest.mark.parametrize("profile", ["keycloak", "hydra", "rfc9068", "spring"])
def test_the_client_is_no_audience_unless_the_contract_says_so(profile: str, tmp_path: Path, key: SigningKey) -> None:
    kind, claims, contract = issued(profile, client_id="https://api.example.com", aud="https://api.example.com")
    claims.pop("azp", None)
    if profile == "keycloak":
        claims["azp"] = "https://api.example.com"
    rules = replace(contract.rules, audience_is="client")
    assert judge(tmp_path, key, kind, claims, contract) == "audience_mismatch"
    path = tmp_path / "jwks.json"
    said = TokenVerifier([replace(contract, rules=rules)], {contract.issuer: FileKeys(path)})
    token = mint(key, claims, typ=kind)
    assert said.verify(token, now=1001.0, audience=contract.audience).audience == contract.audience


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": ""}, ()),
        ({"scope": "b a a"}, ("a", "b")),
        ({}, ()),
        ({"scope": ["a"]}, None),
        ({"scope": " a"}, None),
        ({"scope": "a  b"}, None),
        ({"scope": None}, None),
    ],
    ids=range(7),
)
def test_scopes_in_a_string_are_read_exactly(claims: dict[str, Any], scopes: tuple[str, ...] | None) -> None:
    assert scopes_of(PROFILES["rfc9068"], claims) == scopes


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scp": []}, ()),
        ({"scp": ["b", "a"]}, ("a", "b")),
        ({"scope": "a b"}, ("a", "b")),
        ({"scp": ["a"], "scope": "a"}, ("a",)),
        ({"scp": ["a"], "scope": "b"}, None),
        ({"scp": "a"}, None),
        ({"scp": ["a b"]}, None),
        ({"scp": ["a", 1]}, None),
        ({"scp": [""]}, None),
    ],
    ids=range(9),
)
def test_scopes_in_lists_are_read_exactly_and_agree(claims: dict[str, Any], scopes: tuple[str, ...] | None) -> None:
    assert scopes_of(PROFILES["hydra"], claims) == scopes
