"""Tokens of a real node-oidc-provider: verified, introspected, with a key that changes, and without the server."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from entitlements.errors import EntitlementsError
from entitlements.model import OpaqueTokens, TokenProfile
from entitlements.token import HttpKeys, TokenVerifier, generate_key
from entitlements.token.introspection import AnswerForm, Client, HttpEndpoint, IntrospectingVerifier
from tests.issuers import node
from tests.issuers.provider import ask
from tests.locked_project import AUDIENCE, LockedProject

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.issuers.provider import Provider

API = Client("api", "client_secret_basic", secret="api-of-the-tests")


@pytest.fixture(scope="module")
def service(
    provider: Provider, start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> RunningService:
    """A service that serves a locked contract for the provider's tokens, and finds its keys by its metadata."""
    folder = tmp_path_factory.mktemp("project")
    project = LockedProject(folder).start()
    contract = project.contracts / "shop/1.0.0.yaml"
    text = contract.read_text().replace("https://login.example.com", provider.issuer)
    contract.write_text(text.replace("max_lifetime:", "opaque: {}, max_lifetime:"))
    project.lock()
    client = folder / "client.json"
    client.touch(mode=0o600)
    client.write_text(json.dumps({"client_id": "api", "client_secret": "api-of-the-tests"}))
    return start_service(
        {
            "ENTITLEMENTS_CONTRACTS": str(project.contracts),
            "ENTITLEMENTS_POLICIES": str(project.policies),
            "ENTITLEMENTS_KEYS": f"{provider.issuer}=discover",
            "ENTITLEMENTS_INTROSPECTION": f"{provider.issuer}={provider.issuer}/token/introspection",
            "ENTITLEMENTS_INTROSPECTION_CLIENTS": f"{provider.issuer}={client}",
            "ENTITLEMENTS_BUDGET_MS": "10000",
        }
    )


def test_jwt_is_verified_by_the_keys_that_metadata_names(provider: Provider, service: RunningService) -> None:
    reply = ask(service, provider.token())
    assert reply.allows, reply.body
    assert service.rows()[-1]["contract"]


def test_opaque_token_is_introspected(provider: Provider, service: RunningService) -> None:
    token = provider.token("opaque")
    assert token.count(".") == 0
    assert ask(service, token).allows
    assert ask(service, token[:-1] + ("A" if token[-1] != "A" else "B")).status == 401
    assert service.rows()[-1]["refusal"] == "token_inactive"


def judged(provider: Provider, token: str, client: Client, opaque: OpaqueTokens | None = None) -> Any:
    """What a verifier without a service makes of a token; the code of what it raises."""
    profile = TokenProfile(provider.issuer, AUDIENCE, ("ES256",), 600, opaque=opaque or OpaqueTokens())
    keys = {provider.issuer: HttpKeys(f"{provider.issuer}/jwks", timeout=30)}
    url = f"{provider.issuer}/token/introspection"
    endpoint = HttpEndpoint(provider.issuer, url, client, timeout=30, cache_seconds=0)
    jwts = TokenVerifier([profile], keys)
    verifier = IntrospectingVerifier([profile], jwts, keys, {provider.issuer: endpoint})
    try:
        return verifier.verify(token, now=time.time(), audience=AUDIENCE)
    except EntitlementsError as error:
        return error.code


def test_signed_answer_is_made_for_us_by_the_issuer(provider: Provider) -> None:
    """RFC 9701."""
    signed = replace(API, form=AnswerForm.SIGNED)
    claims = judged(provider, provider.token("opaque"), signed)
    assert (claims.values["role"], claims.introspected) == ("clerk", True)
    assert judged(provider, "garbage", signed) == "token_inactive"
    other = replace(signed, client_id="batch", secret="batch-of-the-tests")
    assert judged(provider, provider.token("opaque"), other) in ("token_inactive", "introspection_client_refused")


def test_credentials_are_shown_as_the_server_wants_them(provider: Provider) -> None:
    token = provider.token("opaque")
    by_key = Client("api-key", "private_key_jwt", key=provider.client_key)
    assert judged(provider, token, by_key).values["role"] == "clerk"
    stranger = replace(by_key, key=generate_key("ES256", "of-the-client"))
    assert judged(provider, token, stranger) == "introspection_client_refused"
    assert judged(provider, token, replace(API, secret="another")) == "introspection_client_refused"


def test_jwt_is_not_introspected_by_this_server(provider: Provider) -> None:
    """It answers 400 `unsupported_token_type`: the contract must not say `jwt: introspect`."""
    assert judged(provider, provider.token(), API, OpaqueTokens(jwts=True)) == "introspection_declined"


def test_revoked_token_is_refused_when_the_issuer_is_asked_again(provider: Provider) -> None:
    token = provider.token("opaque")
    assert judged(provider, token, API).values["role"] == "clerk"
    answer = requests.post(
        f"{provider.issuer}/token/revocation", data={"token": token}, auth=("opaque", "opaque-of-the-tests"), timeout=30
    )
    assert answer.status_code == 200
    assert judged(provider, token, API) == "token_inactive"


def test_rotation_under_load_loses_no_good_token(provider: Provider, service: RunningService) -> None:
    old = [provider.token() for _ in range(4)]
    over, refused, asked = threading.Event(), [], [0]

    def load(token: str) -> None:
        while not over.is_set():
            reply = ask(service, token)
            asked[0] += 1
            if not reply.allows:
                refused.append((reply.status, reply.body))

    threads = [threading.Thread(target=load, args=(token,)) for token in old]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            provider.rotate()
            # Signed at once by a key that the service has never seen.
            reply = ask(service, provider.token())
            assert reply.allows, (reply.status, reply.body)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert asked[0] > 0
    assert refused == []


def test_server_that_was_killed_is_no_word_about_an_opaque_token(provider: Provider, service: RunningService) -> None:
    jwt, opaque = provider.token(), provider.token("opaque")
    assert ask(service, jwt).allows
    provider.kill()
    try:
        reply = ask(service, opaque)
        assert (reply.status, reply.json()["code"]) == (503, "introspection_unreachable")
        # Its keys are known.
        assert ask(service, jwt).allows
    finally:
        provider.start()
    # Opaque tokens of before died with the server's memory.
    deadline = time.monotonic() + 30
    while not (reply := ask(service, provider.token("opaque"))).allows:
        assert reply.status == 503
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ask(service, jwt).allows


def test_lock_of_packages_has_integrity_and_no_address() -> None:
    packages = node.lock_of_packages()
    assert len(packages) > 10
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    assert "hash=sha256:" in (node.FOLDER / "node.lock").read_text(encoding="utf-8")
