"""The introspection endpoint at the address that the issuer's metadata names, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entitlements.endpoint_ring import EndpointRing
from entitlements.errors import IntrospectionUnavailable, StartupFault
from entitlements.key_ring import KeyRing
from entitlements.model import OpaqueTokens, TokenProfile
from entitlements.settings import load_settings
from entitlements.token import TokenVerifier, generate_key
from entitlements.token.introspection import IntrospectingVerifier
from tests.integration.introspection.endpoints import says
from tests.loopback_server import Answer, Handler, LoopbackServer, answered

AUDIENCE = "https://api.example.com"
METADATA = "/.well-known/oauth-authorization-server/realms/a"


class Authority(LoopbackServer):
    """An issuer with metadata, a key set and two introspection endpoints; what it has no answer for is 404."""

    def __init__(self) -> None:
        super().__init__("/realms/a", self._by_path)
        keys = {"keys": [generate_key("ES256", "one").public_jwk()]}
        self.pages: dict[str, Answer] = {"/keys": says(keys)}
        for path in ("/introspect", "/moved"):
            self.pages[path] = says(self.active())
        self.describe(introspection_endpoint=f"{self.origin}/introspect")

    def active(self) -> dict[str, Any]:
        now = int(time.time())
        found = {"active": True, "token_type": "Bearer", "iss": self.url, "aud": AUDIENCE, "sub": "u_1"}
        return {**found, "client_id": "web", "iat": now - 50, "exp": now + 500}

    def describe(self, **members: Any) -> None:
        self.pages[METADATA] = says({"issuer": self.url, "jwks_uri": f"{self.origin}/keys", **members})

    def introspected(self, path: str = "/introspect") -> int:
        return sum(question.path == path for question in self.questions)

    def _by_path(self, request: Handler) -> None:
        self.pages.get(request.path, answered(b"", 404))(request)


@dataclass
class World:
    """Rings as the service has them, by settings."""

    authority: Authority
    folder: Path
    closing: contextlib.ExitStack

    def settings(self, **changes: str) -> dict[str, str]:
        client = self.folder / "client.json"
        client.touch(mode=0o600)
        client.write_text(json.dumps({"client_id": "entitlements", "client_secret": "s3cret"}))
        name = self.authority.url
        return {
            "ENTITLEMENTS_KEYS": f"{name}=discover",
            "ENTITLEMENTS_INTROSPECTION_CLIENTS": f"{name}={client}",
            "ENTITLEMENTS_BUDGET_MS": "10000",
            **changes,
        }

    def verifier(self, **changes: str) -> IntrospectingVerifier:
        settings = load_settings(self.settings(**changes))
        profile = TokenProfile(self.authority.url, AUDIENCE, ("ES256",), 3600, opaque=OpaqueTokens())
        self.keys = self.closing.enter_context(contextlib.closing(KeyRing(settings)))
        sources = self.keys.of([profile])
        self.endpoints = EndpointRing(settings, self.keys)
        asked = self.endpoints.of([profile])
        return IntrospectingVerifier([profile], TokenVerifier([profile], sources), sources, asked)

    def code_of(self, verifier: IntrospectingVerifier, token: str) -> str:
        try:
            verifier.verify(token, now=time.time(), audience=AUDIENCE)
        except IntrospectionUnavailable as unavailable:
            return unavailable.code
        return "accepted"

    @property
    def told(self) -> list[str]:
        """What the readiness of the service says of the endpoint."""
        return [problem.code for problem in self.endpoints.health()[self.authority.url].problems]

    def fetch_anew(self) -> None:
        """What the ring does once a set is old; the fetch is over then."""
        source = self.keys.discovered[self.authority.url]
        source._suspect = True
        source.read(time.monotonic(), 10)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    authority = Authority()
    with contextlib.ExitStack() as closing:
        closing.callback(authority.close)
        yield World(authority, tmp_path, closing)


def test_endpoint_of_the_metadata_is_asked_at_the_first_question(world: World) -> None:
    assert world.code_of(world.verifier(), "at_1") == "accepted"
    assert world.authority.introspected() == 1


def test_endpoint_that_moved_is_asked_where_it_is_now(world: World) -> None:
    verifier = world.verifier()
    assert world.code_of(verifier, "at_1") == "accepted"
    world.authority.describe(introspection_endpoint=f"{world.authority.origin}/moved")
    world.fetch_anew()
    assert world.code_of(verifier, "at_2") == "accepted"
    assert (world.authority.introspected(), world.authority.introspected("/moved")) == (1, 1)


def test_setting_is_asked_whatever_the_metadata_says(world: World) -> None:
    url = f"http://127.0.0.1:{world.authority.port}/moved"
    verifier = world.verifier(ENTITLEMENTS_INTROSPECTION=f"{world.authority.url}={url}")
    assert world.code_of(verifier, "at_1") == "accepted"
    assert (world.authority.introspected(), world.authority.introspected("/moved")) == (0, 1)


def elsewhere(authority: Authority) -> str:
    return f"http://127.0.0.1:{authority.port}/introspect"


def test_host_that_the_deployment_names_is_asked(world: World) -> None:
    world.authority.describe(introspection_endpoint=elsewhere(world.authority))
    named = f"{world.authority.url}=127.0.0.1:{world.authority.port}"
    assert world.code_of(world.verifier(ENTITLEMENTS_ISSUER_HOSTS=named), "at_1") == "accepted"


REFUSED: dict[str, tuple[Any, str]] = {
    "another host": (elsewhere, "metadata_endpoint_refused"),
    "a private address": (lambda _: "http://10.0.0.1/introspect", "metadata_endpoint_refused"),
    "a file": (lambda _: "file:///etc/passwd", "metadata_endpoint_refused"),
    "a user": (lambda one: one.origin.replace("//", "//a:b@") + "/introspect", "metadata_endpoint_refused"),
    "none": (lambda _: None, "metadata_invalid"),
    "a list": (lambda one: [f"{one.origin}/introspect"], "metadata_invalid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_token_is_sent_nowhere_else(world: World, name: str) -> None:
    """K10: a token is a secret, and the metadata must not lead it away."""
    address, code = REFUSED[name]
    world.authority.describe(introspection_endpoint=address(world.authority))
    assert world.code_of(world.verifier(), "at_1") == code
    assert world.told == [code]
    assert [question.form for question in world.authority.questions if question.form] == []


def test_endpoint_that_resolves_into_another_network_is_not_sent_the_token(world: World) -> None:
    verifier = world.verifier()
    assert world.code_of(verifier, "at_1") == "accepted"
    world.keys.discovered[world.authority.url]._network = "public"
    assert world.code_of(verifier, "at_2") == "metadata_endpoint_refused"
    assert world.authority.introspected() == 1


def test_metadata_that_cannot_be_had_is_no_word_about_the_token(world: World) -> None:
    page = world.authority.pages.pop(METADATA)
    verifier = world.verifier()
    assert world.code_of(verifier, "at_1") == "metadata_unavailable"
    world.authority.pages[METADATA] = page
    world.fetch_anew()
    assert world.code_of(verifier, "at_1") == "accepted"
    assert world.told == []


def test_endpoint_is_missing_where_neither_setting_nor_metadata_names_it(world: World) -> None:
    keys = {"ENTITLEMENTS_KEYS": f"{world.authority.url}={world.authority.origin}/keys"}
    with pytest.raises(StartupFault) as fault:
        world.verifier(**keys)
    assert [one.code for one in fault.value.faults] == ["introspection_missing"]
    assert "=discover" in fault.value.faults[0].message
