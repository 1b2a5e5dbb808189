"""Keys at the address that an issuer's metadata names, over real HTTP."""

from __future__ import annotations

import contextlib
import http.server
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.key_ring import KeyRing
from entitlements.model import TokenProfile
from entitlements.readiness import keys_health
from entitlements.settings import load_settings
from entitlements.token import DiscoveredAddress, HttpKeys, KeySource, VerificationKey
from tests.integration.keys.test_http_keys import (
    FAILURES,
    FIRST,
    SECOND,
    Answer,
    Endpoint,
    document,
    finds,
    plain,
    settle,
)

RFC_8414, OPENID = "/.well-known/oauth-authorization-server/realms/a", "/realms/a/.well-known/openid-configuration"


class IssuerServer(Endpoint):
    """Answers by path; what it has no answer for is 404."""

    def __init__(self) -> None:
        super().__init__()
        self.issuer = f"http://localhost:{self.port}/realms/a"
        self.origin = f"http://localhost:{self.port}"
        self.pages: dict[str, Answer] = {}
        self.answer = self._by_path
        self.publish(FIRST)

    def publish(self, *keys: Any, path: str = "/realms/a/jwks") -> None:
        self.pages[path] = plain(document(*keys))

    def describe(self, path: str, **changes: Any) -> None:
        members = {"issuer": self.issuer, "jwks_uri": f"{self.origin}/realms/a/jwks", **changes}
        self.pages[path] = plain(json.dumps(members).encode())

    def _by_path(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.pages.get(request.path, plain(b"", 404))(request)


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    running = IssuerServer()
    yield running
    running.close()


@pytest.fixture
def address(server: IssuerServer) -> DiscoveredAddress:
    return DiscoveredAddress(server.issuer, max_age=300, max_stale=3600)


@pytest.fixture
def keys(address: DiscoveredAddress) -> Iterator[HttpKeys]:
    source = HttpKeys(address, timeout=10, refresh_after=300, cooldown=10, max_stale=3600)
    yield source
    source.close()


def problem_of(keys: HttpKeys, now: float) -> str:
    with pytest.raises(KeysUnavailable):
        keys.find("first", "ES256", now)
    assert not keys.health(now).ready
    return keys.fetched(now)[0].last_failure


@pytest.mark.parametrize("path", [RFC_8414, OPENID])
def test_keys_come_from_the_address_that_either_document_names(server: IssuerServer, keys: HttpKeys, path: str) -> None:
    server.describe(path)
    assert finds(keys, "first", 0)
    assert server.asked[-2:] == [path, "/realms/a/jwks"]
    metadata = next(one for one in keys.fetched(5) if one.what == "metadata")
    assert (metadata.source, metadata.age) == (f"{server.origin}{path}", 5)
    assert keys.fetched(5)[0].source == f"{server.origin}/realms/a/jwks"


def test_document_of_another_issuer_does_not_hide_the_right_one(server: IssuerServer, keys: HttpKeys) -> None:
    server.describe(RFC_8414, issuer=f"{server.origin}/realms/b", jwks_uri=f"{server.origin}/evil")
    server.describe(OPENID)
    assert finds(keys, "first", 0)
    assert "/evil" not in server.asked


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "http://localhost/realms/a"}, "metadata_issuer_mismatch"),
        ({"issuer": None}, "metadata_issuer_mismatch"),
        ({"jwks_uri": None}, "metadata_invalid"),
        ({"jwks_uri": "http://localhost:1/jwks"}, "metadata_endpoint_refused"),
        ({"jwks_uri": "file:///etc/passwd"}, "metadata_endpoint_refused"),
        ({"jwks_uri": "http://169.254.169.254/jwks"}, "metadata_endpoint_refused"),
        ({"padding": "x" * 70_000}, "metadata_fetch_failed"),
    ],
    ids=range(7),
)
def test_metadata_that_is_not_believed_gives_no_key(
    server: IssuerServer, keys: HttpKeys, changes: dict[str, Any], code: str
) -> None:
    server.describe(RFC_8414, **changes)
    assert problem_of(keys, 0) == code
    assert "/realms/a/jwks" not in server.asked


def test_redirect_of_metadata_is_not_followed(server: IssuerServer, keys: HttpKeys) -> None:
    server.describe("/elsewhere")
    for path in (RFC_8414, OPENID):
        server.pages[path] = plain(b"", 302, Location=f"{server.origin}/elsewhere")
    assert problem_of(keys, 0) == "metadata_fetch_failed"
    assert "/elsewhere" not in server.asked


@pytest.mark.parametrize("name", FAILURES)
def test_failing_metadata_leaves_the_last_address_until_its_hard_maximum_age(
    server: IssuerServer, keys: HttpKeys, name: str
) -> None:
    server.describe(OPENID)
    assert finds(keys, "first", 0)
    server.pages[RFC_8414] = server.pages[OPENID] = FAILURES[name]
    server.publish(SECOND)
    keys.tend(300)
    settle(keys)
    assert finds(keys, "second", 301)
    health = keys.health(301)
    assert health.ready
    assert health.problems[0].code.startswith("metadata_")
    told = {one.what: one for one in keys.fetched(302)}
    assert (told["metadata"].age, told["metadata"].failures, told["metadata"].last_failure_age) == (302, 1, 2)
    assert (told["keys"].age, told["keys"].failures) == (2, 0)
    keys.tend(3601)
    settle(keys)
    assert keys.health(3602).problems[0].code.startswith("metadata_")
    # The last whole set is of 300: it serves until it is too old itself.
    assert finds(keys, "second", 3602)
    server.describe(OPENID)
    keys.tend(3700)
    settle(keys)
    assert not keys.health(3700).problems


def test_address_that_moved_is_found_at_the_next_fetch(server: IssuerServer, keys: HttpKeys) -> None:
    server.describe(RFC_8414)
    assert finds(keys, "first", 0)
    del server.pages["/realms/a/jwks"]
    server.publish(SECOND, path="/new/jwks")
    server.describe(RFC_8414, jwks_uri=f"{server.origin}/new/jwks")
    keys.tend(300)
    settle(keys)
    assert finds(keys, "second", 301)


def test_address_that_moved_early_is_found_after_one_failure(server: IssuerServer, keys: HttpKeys) -> None:
    server.describe(RFC_8414)
    assert finds(keys, "first", 0)
    del server.pages["/realms/a/jwks"]
    server.publish(SECOND, path="/new/jwks")
    server.describe(RFC_8414, jwks_uri=f"{server.origin}/new/jwks")
    with pytest.raises(KeysUnavailable):
        keys.find("second", "ES256", 1)
    with pytest.raises(KeysUnavailable):
        keys.find("second", "ES256", 2)
    settle(keys)
    assert finds(keys, "second", 2)


def test_metadata_is_not_fetched_again_for_an_unknown_name(server: IssuerServer, keys: HttpKeys) -> None:
    server.describe(RFC_8414)
    assert finds(keys, "first", 0)
    with pytest.raises(TokenRejected):
        keys.find("made-up", "ES256", 1)
    assert server.asked == [RFC_8414, "/realms/a/jwks", "/realms/a/jwks"]


def test_deployment_says_it_with_one_word(server: IssuerServer) -> None:
    server.describe(OPENID)
    ring = KeyRing(load_settings({"ENTITLEMENTS_KEYS": f"{server.issuer}=discover"}))
    with contextlib.closing(ring):
        source = ring.of([TokenProfile(server.issuer, "https://api.example", ("ES256",), 3600)])[server.issuer]
        source.find("first", "ES256", time.monotonic())
        found = {one.what: one.source for one in ring.fetched()[server.issuer]}
        assert found == {"keys": f"{server.origin}/realms/a/jwks", "metadata": f"{server.origin}{OPENID}"}
        told = readiness_of_keys(ring)
        assert told[server.issuer][0]["source"] == f"{server.origin}/realms/a/jwks"


def test_host_that_the_deployment_names_is_asked(server: IssuerServer) -> None:
    server.describe(OPENID, jwks_uri=f"http://127.0.0.1:{server.port}/realms/a/jwks")
    keys = {"ENTITLEMENTS_KEYS": f"{server.issuer}=discover"}
    hosts = {"ENTITLEMENTS_ISSUER_HOSTS": f"{server.issuer}=127.0.0.1:{server.port}"}
    profile = TokenProfile(server.issuer, "https://api.example", ("ES256",), 3600)
    for settings, answered in (({**keys, **hosts}, True), (keys, False)):
        with contextlib.closing(KeyRing(load_settings(settings))) as ring:
            source = ring.of([profile])[server.issuer]
            assert bool(asked_of(source)) is answered


def asked_of(source: KeySource) -> VerificationKey | None:
    try:
        return source.find("first", "ES256", time.monotonic())
    except KeysUnavailable:
        return None


def readiness_of_keys(ring: KeyRing) -> Any:
    return keys_health({}, ring.fetched(), {}).detail["fetched"]


def test_other_endpoints_follow_the_same_rules(
    server: IssuerServer, keys: HttpKeys, address: DiscoveredAddress
) -> None:
    with pytest.raises(KeysUnavailable, match="no metadata"):
        address.endpoint("introspection_endpoint", 0)
    server.describe(
        RFC_8414, introspection_endpoint=f"{server.origin}/introspect", userinfo_endpoint="https://evil.example/u"
    )
    assert finds(keys, "first", 0)
    assert address.endpoint("introspection_endpoint", 1) == f"{server.origin}/introspect"
    for name in ("userinfo_endpoint", "revocation_endpoint"):
        with pytest.raises(KeysUnavailable):
            address.endpoint(name, 1)
    address.check_peer("introspection_endpoint", "127.0.0.1")
    with pytest.raises(KeysUnavailable):
        address.check_peer("introspection_endpoint", "10.0.0.1")


def test_endpoint_that_resolves_into_another_network_is_not_sent_anything(server: IssuerServer) -> None:
    """The issuer was in a public network when it named an address whose host turns out to be loopback."""
    server.describe(RFC_8414)
    address = DiscoveredAddress(server.issuer)
    assert address.read(0, 10)
    address._network = "public"
    asked = len(server.asked)
    with pytest.raises(KeysUnavailable, match="loopback address") as refusal:
        address.read(1, 10)
    assert refusal.value.code == "metadata_endpoint_refused"
    assert len(server.asked) == asked
