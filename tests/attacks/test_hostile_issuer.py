"""An issuer's address that answers anything: what is not its word takes nothing away, and what is takes no key in."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from devkit.service import Issuer, contracts
from entitlements.token import SigningKey, generate_key, mint
from tests.attacks.test_running_service import good_claims
from tests.conftest import RunningService, StartService
from tests.wire.conftest import Wire

EVIL = generate_key("ES256", "evil")


def answered(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


class KeyServer:
    """Answers with the octets that it was told."""

    def __init__(self) -> None:
        self.says = b""
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.close_connection = True
                server.asked += 1
                self.wfile.write(server.says)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    made = KeyServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def wire(issuer: Issuer) -> Wire:
    return Wire(issuer)


@pytest.fixture(scope="module")
def service(server: KeyServer, issuer: Issuer, wire: Wire, start_service: StartService) -> RunningService:
    """A service that fetches its keys from there, and again for each unknown name after a second."""
    server.says = answered(issuer.jwks.read_bytes())
    issuers = sorted({one.profile.issuer for one in contracts().values()})
    ours = Wire(issuer).contract.profile.issuer
    sets = " ".join(f"{one}={server.url if one == ours else issuer.jwks}" for one in issuers)
    keys = {"ENTITLEMENTS_KEYS": sets, "ENTITLEMENTS_KEYS_COOLDOWN": "1"}
    started = start_service({**keys, "ENTITLEMENTS_BUDGET_MS": "5000"})
    assert started.one(wire.ask()).allows
    return started


def by(key: SigningKey, wire: Wire) -> bytes:
    return b"Authorization: Bearer " + mint(key, good_claims(wire)).encode()


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


WITH_EVIL = document(EVIL.public_jwk())
FAILURES: dict[str, bytes] = {
    "redirect": answered(WITH_EVIL, "Location: /other", status="302 Found"),
    "created": answered(WITH_EVIL, status="201 Created"),
    "not_modified": answered(b"", status="304 Not Modified"),
    "error": answered(WITH_EVIL, status="500 Internal Server Error"),
    "gzip": answered(gzip.compress(WITH_EVIL), "Content-Encoding: gzip"),
    "cut_short": answered(WITH_EVIL)[:-3],
    "no_length": b"HTTP/1.1 200 OK\r\n\r\n" + WITH_EVIL,
    "two_lengths": answered(WITH_EVIL, "Content-Length: 5"),
    "trailing_bytes": answered(WITH_EVIL + b"x"),
    "two_documents": answered(WITH_EVIL + WITH_EVIL),
    "keys_twice": answered(WITH_EVIL[:-1] + b', "keys": []}'),
    "list": answered(json.dumps([EVIL.public_jwk()]).encode()),
    "keys_object": answered(json.dumps({"keys": EVIL.public_jwk()}).encode()),
    "html": answered(b"<html></html>"),
    "bom": answered(b"\xef\xbb\xbf" + WITH_EVIL),
    "too_large": answered(WITH_EVIL + b" " * 300_000),
    "hundred_and_one": answered(document(*[EVIL.public_jwk()] * 101)),
    "deep": answered(b'{"keys": ' + b"[" * 5000),
    "closed": b"",
    "http09": WITH_EVIL,
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_not_the_issuers_word_changes_no_key(
    service: RunningService, server: KeyServer, issuer: Issuer, wire: Wire, name: str
) -> None:
    fetched = fetch_again(service, server, wire, FAILURES[name])
    assert fetched, "the address was not asked"
    refused = service.one(wire.ask(bearer=by(EVIL, wire)))
    assert refused.status in (401, 503), refused
    assert service.one(wire.ask()).allows
    server.says = answered(issuer.jwks.read_bytes())


def fetch_again(service: RunningService, server: KeyServer, wire: Wire, says: bytes) -> bool:
    """Have the service ask the address, once it will again, by tokens of unknown names."""
    server.says, before = says, server.asked
    for number in range(400):
        stranger = generate_key("ES256", f"stranger-{number}")
        service.one(wire.ask(bearer=by(stranger, wire)))
        if server.asked > before:
            return True
        threading.Event().wait(0.05)
    return False


def edited(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in {**EVIL.public_jwk(), **members}.items() if value is not None}


SKIPPED: dict[str, Any] = {
    "private_part": EVIL.to_jwk(),
    "for_encryption": edited(use="enc"),
    "other_operations": edited(use=None, key_ops=["sign"]),
    "another_algorithm": edited(alg="ES384"),
    "shared_secret": {"kty": "oct", "kid": "evil", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "alg": "HS256"},
    "off_the_curve": edited(y=EVIL.public_jwk()["x"]),
    "short_coordinate": edited(x="AA"),
    "padded_coordinate": edited(x=str(EVIL.public_jwk()["x"]) + "="),
    "another_curve": edited(crv="P-256K"),
    "small_rsa": {"kty": "RSA", "kid": "evil", "e": "AQAB", "n": "1" * 86, "alg": "RS256"},
    "exponent_one": {"kty": "RSA", "kid": "evil", "e": "AQ", "n": "3" * 342, "alg": "RS256"},
    "exponent_below_zero": {"kty": "RSA", "kid": "evil", "e": "-1", "n": "3" * 342, "alg": "RS256"},
    "kid_number": edited(kid=1),
    "kid_list": edited(kid=["evil"]),
    "kid_of_another_key": edited(kid="ES256"),
    "no_object": "evil",
}


@pytest.mark.parametrize("name", SKIPPED)
def test_a_member_that_is_no_key_of_ours_verifies_nothing_and_takes_no_other_down(
    service: RunningService, server: KeyServer, issuer: Issuer, wire: Wire, name: str
) -> None:
    good = json.loads(issuer.jwks.read_bytes())["keys"]
    assert fetch_again(service, server, wire, answered(document(*good, SKIPPED[name])))
    assert service.one(wire.ask(bearer=by(EVIL, wire))).status in (401, 503)
    assert service.one(wire.ask()).allows
    private = str(EVIL.to_jwk()["d"])
    for path in ("/readyz", "/metrics"):
        assert private.encode() not in service.one(wire.get(path)).body
    assert private not in service.said()
