"""Tokens of a real node-oidc-provider: verified, introspected, with a key that changes, and without the server."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from demo.service import free_address
from entitlements.errors import EntitlementsError
from entitlements.model import OpaqueTokens, TokenProfile
from entitlements.token import HttpKeys, SigningKey, TokenVerifier, generate_key
from entitlements.token.introspection import AnswerForm, Client, HttpEndpoint, IntrospectingVerifier
from tests.conftest import STAGE
from tests.issuers import node
from tests.locked_project import AUDIENCE, LockedProject

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService, StartService

API = Client("api", "client_secret_basic", secret="api-of-the-tests")
BODY = json.dumps({"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1"}}).encode()


class Provider:
    """A running node-oidc-provider that can be killed, and started again with other keys."""

    def __init__(self, executable: Path, program: Path, folder: Path) -> None:
        self.port = int(free_address().rpartition(":")[2])
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.client_key = generate_key("ES256", "of-the-client")
        self._command = [executable, program / "provider.mjs", str(self.port), folder / "keys.json", folder / "client"]
        self._keys_file = folder / "keys.json"
        self._said = folder / "said"
        self._keys: list[SigningKey] = [generate_key("ES256", "first"), generate_key("RS256", "rsa")]
        (folder / "client").write_text(json.dumps({"keys": [self.client_key.public_jwk()]}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._keys_file.write_text(json.dumps({"keys": [key.to_jwk() for key in self._keys]}))
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=said)
        deadline = time.monotonic() + 60
        while b"up" not in self._said.read_bytes().splitlines():
            assert self._process.poll() is None, self._said.read_text()
            assert time.monotonic() < deadline, "the provider does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def rotate(self) -> None:
        """Sign with a new key from now on; the one before is still published."""
        self.kill()
        self._keys.insert(0, generate_key("ES256", f"later-{len(self._keys)}"))
        self.start()

    def token(self, client: str = "batch") -> str:
        answer = requests.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "resource": AUDIENCE, "scope": "orders:read"},
            auth=(client, f"{client}-of-the-tests"),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    try:
        executable, npm = node.node()
        program = node.provider(executable, npm)
    except node.NotInstalled as cause:
        text = f"{STAGE}the tests with node-oidc-provider, which cannot be installed: {cause}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    found = Provider(executable, program, tmp_path_factory.mktemp("provider"))
    found.start()
    yield found
    found.kill()


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


def ask(service: RunningService, token: str) -> Reply:
    head = (
        "POST /authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    return service.one(head.encode() + BODY)


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
