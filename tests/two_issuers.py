"""An API on its way from one authorization server to another: two real issuers, both accepted, with one lock."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from entitlements.token import SigningKey, access_token_claims, generate_key, mint
from tests.integration.introspection.endpoints import says
from tests.locked_project import AUDIENCE, LockedProject
from tests.loopback_server import Answer, Handler, LoopbackServer, answered
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, clerk]}}}}
  client_id: {{sensitivity: pii, schema: {{type: string, maxLength: 64}}}}
request:
  actions: [read]
  resources:
    item: {{properties: {{owner: {{type: string}}, owner_issuer: {{type: string}}}}, required: [owner, owner_issuer]}}
""",
    rule="decision",
)
POLICY = """\
package shop.authz

default decision := false

decision if {
	input.resource.properties.owner_issuer == input.subject.issuer
	input.resource.properties.owner == input.subject.id
}
"""
METADATA = "/.well-known/oauth-authorization-server"


class IssuerServer(LoopbackServer):
    """An authorization server: metadata, one signing key under the name `one`, introspection of opaque tokens."""

    def __init__(self) -> None:
        super().__init__("", self._by_path)
        self.key = generate_key("ES256", "one")
        self.opaque: dict[str, dict[str, Any]] = {}
        self.keys = [self.key]
        self.members: dict[str, Any] = {}

    @property
    def introspected(self) -> list[str]:
        """The opaque tokens that this server was asked about."""
        return [question.form["token"] for question in self.questions if "token" in question.form]

    def claims(self, subject: str = "u_1", **changes: Any) -> dict[str, Any]:
        """Of an access token for the API."""
        said = access_token_claims(
            issuer=self.url, audience=AUDIENCE, subject=subject, client_id="web", now=time.time(), lifetime=500
        )
        return {**said, "role": "user", **changes}

    def token(self, subject: str = "u_1", key: SigningKey | None = None, **changes: Any) -> str:
        """A JWT; key: that signs it in place of the own one."""
        return mint(key or self.key, self.claims(subject, **changes))

    def answer_for(self, token: str, subject: str = "u_1", **changes: Any) -> str:
        """Call an opaque token active from now on."""
        said = {name: value for name, value in self.claims(subject).items() if name != "jti"}
        self.opaque[token] = {**said, "active": True, "token_type": "Bearer", **changes}
        return token

    def _by_path(self, request: Handler) -> None:
        pages: dict[str, Any] = {
            METADATA: self._metadata(),
            "/keys": {"keys": [key.public_jwk() for key in self.keys]},
            "/introspect": self._said(),
        }
        answer: Answer = says(pages[request.path]) if request.path in pages else answered(b"", 404)
        answer(request)

    def _metadata(self) -> dict[str, Any]:
        endpoints = {
            name: f"{self.url}/{path}"
            for name, path in (("jwks_uri", "keys"), ("introspection_endpoint", "introspect"))
        }
        return {"issuer": self.url, **endpoints, **self.members}

    def _said(self) -> dict[str, Any]:
        asked = self.questions[-1].form.get("token", "") if self.questions else ""
        return self.opaque.get(asked, {"active": False})


@contextlib.contextmanager
def two_servers() -> Iterator[tuple[IssuerServer, IssuerServer]]:
    """The old one and the new one."""
    pair = IssuerServer(), IssuerServer()
    yield pair
    for server in pair:
        server.close()


class Move:
    """The contract of an API whose version 1.0.0 names one issuer and 2.0.0 the other, both locked."""

    def __init__(self, folder: Path, old: IssuerServer, new: IssuerServer) -> None:
        self.old, self.new = old, new
        self.project = LockedProject(folder).start()
        self.project.rego.write_text(POLICY)
        self._version("1.0.0", old, "a_")
        self.project.lock()
        self._version("2.0.0", new, "b_")
        self._lock_both()
        self._client = folder / "client.json"
        self._client.touch(mode=0o600)
        self._client.write_text(json.dumps({"client_id": "entitlements", "client_secret": "s3cret"}))

    @property
    def settings(self) -> dict[str, str]:
        both = self.old.url, self.new.url
        return {
            "ENTITLEMENTS_CONTRACTS": str(self.project.contracts),
            "ENTITLEMENTS_POLICIES": str(self.project.policies),
            "ENTITLEMENTS_KEYS": " ".join(f"{issuer}=discover" for issuer in both),
            "ENTITLEMENTS_INTROSPECTION_CLIENTS": " ".join(f"{issuer}={self._client}" for issuer in both),
            "ENTITLEMENTS_BUDGET_MS": "10000",
        }

    def _version(self, version: str, issuer: IssuerServer, prefix: str) -> None:
        text = CONTRACT.format(version=version).replace("https://login.example.com", issuer.url)
        opaque = f"sender_constrained: permitted, opaque: {{prefix: {prefix}}}, max_lifetime:"
        (self.project.contracts / f"shop/{version}.yaml").write_text(text.replace("max_lifetime:", opaque))

    def _lock_both(self) -> None:
        lock, expires = ("lock", "--also", "shop=1.0.0"), str(datetime.date.today() + datetime.timedelta(days=30))
        refused = self.project.run(*lock)
        assert refused.exit_code == 3, refused.output
        for fingerprint in sorted(set(re.findall(r"\b[0-9a-f]{16}\b", refused.output))):
            given = self.project.approve(fingerprint, "1.0.0", "2.0.0", expires)
            assert given.exit_code == 0, given.output
        done = self.project.run(*lock)
        assert done.exit_code == 0, done.output
