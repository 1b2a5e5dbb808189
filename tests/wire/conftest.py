"""Requests as octets, good ones and bad ones, and services whose engine or log has failed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devkit.service import Issuer, contracts, free_address

AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}
GOOD: dict[str, Any] = {
    "audience": "https://orders.example.com",
    "action": "read",
    "resource": {"type": "order", "id": "42", "properties": {"tenant": "t_1"}},
}


class Wire:
    """Builds requests octet by octet."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.contract = contracts()["orders"]
        # As long as the contract permits: a whole run of the tests may take a quarter of an hour.
        self.token = self.token_of("u_1", lifetime=self.contract.profile.max_lifetime)
        self.good = json.dumps(GOOD).encode()
        self.bearer = b"Authorization: Bearer " + self.token.encode()

    def token_of(self, subject: str, **options: Any) -> str:
        return self.issuer.token(
            self.contract, **{"claims": AGENT, "scopes": ["orders:read"], "subject": subject, **options}
        )

    def body(self, **changes: Any) -> bytes:
        return json.dumps({**GOOD, **changes}).encode()

    def raw(self, *lines: bytes, first: bytes = b"POST /authorize HTTP/1.1", body: bytes = b"") -> bytes:
        """Exactly these lines, then the body."""
        return b"\r\n".join([first, *lines, b"", body])

    def ask(
        self,
        *lines: bytes,
        body: bytes | None = None,
        first: bytes = b"POST /authorize HTTP/1.1",
        bearer: bytes | None = None,
        content_type: bytes | None = b"Content-Type: application/json",
    ) -> bytes:
        """A request that is good but for what is given; the connection ends with it."""
        sent = self.good if body is None else body
        head = [b"Host: x", b"Connection: close", b"Content-Length: %d" % len(sent), *lines]
        if bearer != b"":
            head.append(bearer or self.bearer)
        if content_type is not None:
            head.append(content_type)
        return self.raw(*head, first=first, body=sent)

    def get(self, path: str, *lines: bytes, method: str = "GET") -> bytes:
        return self.raw(b"Host: x", b"Connection: close", *lines, first=f"{method} {path} HTTP/1.1".encode())


@pytest.fixture(scope="session")
def wire(issuer: Issuer) -> Wire:
    return Wire(issuer)


@pytest.fixture(scope="session")
def without_engine(start_service: Any) -> Any:
    """A service whose OPA server is not there."""
    return start_service({"ENTITLEMENTS_OPA_URL": f"http://{free_address()}"}, until="/healthz")


@pytest.fixture(scope="session")
def without_log(start_service: Any) -> Any:
    """A service whose decision log has no space left."""
    return start_service({"ENTITLEMENTS_DECISION_LOG": "/dev/full"})
