"""Versions of one issuer that each say which tokens are introspected: a token counts by those that permit it alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Admitted, Contract, admit, parse_contract
from entitlements.errors import TokenRejected
from entitlements.token import FileKeys, TokenVerifier, access_token_claims, generate_key, mint
from entitlements.token.introspection import Client, HttpEndpoint, IntrospectingVerifier
from entitlements.token.mint import mint_raw
from tests.integration.introspection.endpoints import FakeIssuer, says
from tests.shop import shop_contract

ISSUER, AUDIENCE = "https://login.example.com", "https://shop.example.com"
KEY = generate_key("ES256", "one")


def contract(version: str, opaque: str) -> Contract:
    said = f"opaque: {{{{{opaque}}}}}, " if opaque else ""
    text = shop_contract("claims:\n  role: {{schema: {{enum: [user]}}}}\n", rule="allow")
    text = text.replace("max_lifetime:", f"{said}max_lifetime:").format(version=version)
    return parse_contract(text, Path(f"shop/{version}.yaml"))


def claims() -> dict[str, Any]:
    return access_token_claims(
        issuer=ISSUER, audience=AUDIENCE, subject="u_1", client_id="web", now=time.time(), lifetime=500
    )


@pytest.fixture
def authority() -> Iterator[FakeIssuer]:
    found = FakeIssuer()
    found.answer = says({**claims(), "active": True, "token_type": "Bearer"})
    yield found
    found.close()


class Versions:
    """The pinned version and an older one, before one endpoint."""

    def __init__(self, folder: Path, authority: FakeIssuer, pinned: str, older: str) -> None:
        self.contracts = contract("2.0.0", pinned), contract("1.0.0", older)
        path = folder / "jwks.json"
        path.write_text(json.dumps({"keys": [KEY.public_jwk()]}))
        client = Client("entitlements", "client_secret_basic", secret="s3cret")
        endpoints = {ISSUER: HttpEndpoint(ISSUER, authority.url, client, timeout=10, cache_seconds=60)}
        profiles, keys = [one.profile for one in self.contracts], {ISSUER: FileKeys(path)}
        self._verifier = IntrospectingVerifier(profiles, TokenVerifier(profiles, keys), keys, endpoints)

    def admitting(self, token: str) -> list[str]:
        """The versions that admit a token, once it is verified."""
        found = self._verifier.verify(token, now=time.time(), audience=AUDIENCE)
        admissions = [(one.version, admit(one, found)) for one in self.contracts]
        for _, admission in admissions:
            codes = [] if isinstance(admission, Admitted) else [violation.code for violation in admission.violations]
            assert codes in ([], ["form_not_permitted"])
        return [version for version, admission in admissions if isinstance(admission, Admitted)]


@pytest.mark.parametrize(
    ("pinned", "older", "token", "versions"),
    [
        ("prefix: n_", "prefix: o_", "n_1", ["2.0.0"]),
        ("prefix: n_", "prefix: o_", "o_1", ["1.0.0"]),
        ("prefix: n_", "prefix: n_", "n_1", ["2.0.0", "1.0.0"]),
        ("prefix: n_", "", "n_1", ["2.0.0"]),
        ("prefix: n_x", "prefix: n_", "n_1", ["1.0.0"]),
        ("prefix: n_x", "prefix: n_", "n_x1", ["2.0.0", "1.0.0"]),
        ("", "prefix: o_", "o_1", ["1.0.0"]),
        ("prefix: n_, jwt: verify", "prefix: o_, jwt: verify", "", ["2.0.0", "1.0.0"]),
        ("prefix: n_, jwt: introspect", "prefix: o_, jwt: introspect", "", ["2.0.0", "1.0.0"]),
        ("prefix: n_, jwt: introspect", "prefix: o_, jwt: verify", "", ["2.0.0"]),
        ("prefix: n_, jwt: verify", "prefix: o_, jwt: introspect", "", ["2.0.0"]),
    ],
    ids=range(11),
)
def test_token_is_admitted_by_the_versions_that_permit_its_form(
    authority: FakeIssuer, tmp_path: Path, pinned: str, older: str, token: str, versions: list[str]
) -> None:
    assert Versions(tmp_path, authority, pinned, older).admitting(token or mint(KEY, claims())) == versions


def test_jwt_that_names_its_issuer_twice_is_no_opaque_token(authority: FakeIssuer, tmp_path: Path) -> None:
    """Where JWTs are introspected, one that cannot be read is not sent as if it were opaque."""
    found = Versions(tmp_path, authority, "jwt: introspect", "jwt: introspect")
    header = json.dumps({"alg": "ES256", "kid": "one", "typ": "at+jwt"}).encode()
    other, own = '"iss": "https://evil.example.com"', f'"iss": "{ISSUER}"'
    rest = json.dumps({name: value for name, value in claims().items() if name != "iss"})[1:]
    for first, second in ((other, own), (own, other), (own, own), (own, own.replace("iss", "\\u0069ss"))):
        token = mint_raw(KEY, header, f"{{{first}, {second}, {rest}".encode())
        with pytest.raises(TokenRejected) as refused:
            found.admitting(token)
        assert refused.value.code == "token_malformed"
    assert authority.asked == []
    assert found.admitting(mint_raw(KEY, header, f"{{{own}, {rest}".encode())) == ["2.0.0", "1.0.0"]
    assert len(authority.asked) == 1


def test_answer_that_is_remembered_does_not_forget_by_what_it_was_asked(authority: FakeIssuer, tmp_path: Path) -> None:
    found = Versions(tmp_path, authority, "prefix: n_", "prefix: o_")
    assert [found.admitting("o_1") for _ in range(2)] == [["1.0.0"]] * 2
    assert len(authority.asked) == 1
