"""Samples of real servers: no token of another kind passes for an access token, and no access token for another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.profiles import Sample, other_kind

FOLDER = Path(__file__).resolve().parents[1] / "fixtures/tokens"
FILES = {f"{path.parent.name}/{path.stem}": json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))}
TOKENS = {name: file for name, file in FILES.items() if "payload" in file and "header" in file}


@pytest.mark.parametrize("name", TOKENS)
def test_recorded_token_is_of_its_kind_with_and_without_what_id_tokens_may_lack(name: str) -> None:
    file = TOKENS[name]
    for less in ((), ("nonce",), ("nonce", "at_hash", "c_hash"), ("nonce", "at_hash", "c_hash", "sid")):
        claims = {claim: value for claim, value in file["payload"].items() if claim not in less}
        found = other_kind(Sample(file["header"], claims))
        assert (found == "") is (file["kind"] in ("access_token", "introspection")), (less, found)
        if file["kind"] == "id_token":
            assert found == "an ID token"


# By the documentation of servers that were not tried: an ID token, and the access token beside it.
DOCUMENTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "auth0": ({"aud": "web", "sid": "s"}, {"aud": ["api", "https://t/userinfo"], "azp": "web", "scope": "openid"}),
    "auth0 machine": ({"aud": "web", "nonce": "n"}, {"aud": "api", "azp": "web", "gty": "client-credentials"}),
    "okta": ({"aud": "web", "jti": "ID.1", "amr": ["pwd"]}, {"aud": "api", "jti": "AT.1", "cid": "web", "scp": ["a"]}),
    "entra": ({"aud": "web", "oid": "o", "ver": "2.0"}, {"aud": "api", "azp": "web", "roles": ["a"], "oid": "o"}),
    "cognito": ({"aud": "web", "token_use": "id"}, {"token_use": "access", "client_id": "web"}),
    "curity": (
        {"aud": "web", "purpose": "id"},
        {"aud": "api", "purpose": "access_token", "acr": "x", "client_id": "w"},
    ),
    "pingone": ({"aud": "web", "acr": "a"}, {"aud": ["api"], "client_id": "web", "scope": "a", "acr": "a"}),
}


@pytest.mark.parametrize("server", DOCUMENTED)
def test_documented_id_token_is_told_from_the_access_token_beside_it(server: str) -> None:
    identity, access = DOCUMENTED[server]
    common = {"iss": "https://login.example.com", "sub": "u_1", "exp": 2, "iat": 1}
    assert other_kind(Sample({"alg": "RS256", "typ": "JWT"}, {**common, **identity})) == "an ID token"
    assert other_kind(Sample({"alg": "RS256", "typ": "JWT"}, {**common, **access})) == ""


def test_claims_that_say_little_are_of_no_other_kind() -> None:
    assert other_kind(Sample(None, {"iss": "i", "aud": "a", "email_verified": True, "name": "n"})) == ""
    assert other_kind(Sample(None, {"iss": "i", "aud": "a", "exp": 2, "plan": "free"})) == ""
