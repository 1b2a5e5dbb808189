"""No token and no request makes the service open a connection (J6, J8, K10)."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from entitlements.token import access_token_claims, mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunningService
    from tests.wire.conftest import Wire


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Somewhere to be called. No one may."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        yield listener


def header_of(name: str, address: str, wire: Wire) -> dict[str, Any]:
    key = wire.issuer.keys["ES256"].public_jwk()
    return {
        "jku": {"jku": f"{address}/jwks"},
        "x5u": {"x5u": f"{address}/cert.pem"},
        "url": {"url": address},
        "jwk": {"jwk": key},
        "x5c": {"x5c": [address]},
        "x5t": {"x5t": address},
        "kid, an address": {"kid": f"{address}/kid"},
        "kid, a file": {"kid": "file:///etc/passwd"},
        "kid, a path": {"kid": "../../../../dev/null"},
        "kid, SQL": {"kid": "x' UNION SELECT 'key' --"},
        "kid, a command": {"kid": f"$(curl {address})"},
        "crit": {"crit": ["jku"], "jku": address},
    }[name]


NAMES = ("jku", "x5u", "url", "jwk", "x5c", "x5t", "kid, an address", "kid, a file", "kid, a path", "kid, SQL")


@pytest.mark.parametrize("name", [*NAMES, "kid, a command", "crit", "iss"])
def test_a_token_makes_nobody_be_called(service: RunningService, wire: Wire, trap: socket.socket, name: str) -> None:
    """J6, J8: the key set is the pinned issuer's, whatever the token says."""
    address = f"http://127.0.0.1:{trap.getsockname()[1]}"
    profile = wire.contract.profile
    claims = access_token_claims(
        issuer=address if name == "iss" else profile.issuer,
        audience=profile.audience,
        subject="u_1",
        client_id="web",
        # A token that is refused anyway causes no look for its key: those with a foreign `kid` are young.
        now=time.time() if name.startswith("kid") else 1_000_000_000,
        lifetime=600,
    )
    token = mint(wire.issuer.keys["ES256"], claims, headers={} if name == "iss" else header_of(name, address, wire))
    before = len(service.rows())
    assert service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode())).status == 401
    (row,) = service.rows()[before:]
    # Certificates are ignored, wherever they are said to be: what the token is refused for is its age.
    ignored = {"token_expired"} if name in ("x5c", "x5t") else {"header_not_permitted", "unknown_key", "issuer_unknown"}
    assert row["refusal"] in ignored
    with pytest.raises(TimeoutError):
        trap.accept()


def test_a_request_makes_nobody_be_called(service: RunningService, wire: Wire, trap: socket.socket) -> None:
    address = f"http://127.0.0.1:{trap.getsockname()[1]}"
    lines = [f"{name}: {address}".encode() for name in ("X-Forwarded-Host", "X-Original-URL", "Referer", "Origin")]
    resource = {"type": "order", "id": address, "properties": {"tenant": "t_1", "owner": address}}
    assert service.one(wire.ask(*lines, body=wire.body(resource=resource))).allows
    with pytest.raises(TimeoutError):
        trap.accept()
