"""A locked contract for the realm's tokens, and what commands and verifiers make of a token by it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from entitlements.cli import main
from entitlements.contract import Contract, Refused, admit, parse_contract
from entitlements.errors import EntitlementsError
from entitlements.token import HttpKeys, TokenVerifier
from entitlements.token.introspection import Client, HttpEndpoint, IntrospectingVerifier
from tests.keycloak.realm import API
from tests.keycloak.server import Keycloak
from tests.locked_project import LockedProject

CONTRACT = """\
contract: shop
version: 1.0.0
issuer: {issuer}
audience: {audience}
policy: {{package: shop.authz, rule: decision}}
tokens:
  access_token:
    profile: keycloak
    algorithms: {algorithms}
    max_lifetime: 600
    sender_constrained: permitted
    opaque: {{jwt: {jwt}}}
claims:
  roles:
    description: What the principal does.
    source: [realm_access, roles]
    as: set
    absent: empty
    ignore_items: [default-roles-shop, offline_access, uma_authorization]
    schema: {{type: array, items: {{enum: [viewer, agent]}}, uniqueItems: true, maxItems: 2}}
  tenant:
    description: The customer that the principal belongs to.
    required: true
    schema: {{type: string, pattern: "^t_[a-z0-9]{{1,20}}$"}}
  clearance:
    description: The highest classification that the principal may see.
    schema: {{type: integer, minimum: 0, maximum: 5}}
  suspended:
    description: True while the principal must not act.
    required: true
    schema: {{type: boolean}}
request:
  actions: [read]
  resources: {{item: {{properties: {{owner: {{type: string, maxLength: 64}}}}}}}}
consumers:
  - {{name: api, kind: first-party, relies_on: [roles, tenant, clearance, suspended]}}
"""
POLICY = """\
package shop.authz

default decision := false

decision if {
\t"agent" in input.subject.claims.roles
\tinput.subject.claims.suspended == false
}
"""


class Project:
    """Folders of a contract and its policy, locked."""

    def __init__(self, server: Keycloak, folder: Path, *, jwt: str = "verify", algorithms: str = "[RS256]") -> None:
        self.server = server
        self.locked = LockedProject(folder).start()
        self.file = self.locked.contracts / "shop/1.0.0.yaml"
        self.file.write_text(CONTRACT.format(issuer=server.issuer, audience=API, jwt=jwt, algorithms=algorithms))
        self.locked.rego.write_text(POLICY)
        self.locked.lock()

    def settings(self, credentials: Mapping[str, str] | None = None) -> dict[str, str]:
        """Settings of commands and of a service. credentials: of this service at the introspection endpoint."""
        issuer, file = self.server.issuer, self.locked.folder / "client.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"client_id": API, "client_secret": f"{API}-of-the-tests", **(credentials or {})}))
        return {
            "ENTITLEMENTS_CONTRACTS": str(self.locked.contracts),
            "ENTITLEMENTS_POLICIES": str(self.locked.policies),
            "ENTITLEMENTS_KEYS": f"{issuer}=discover",
            "ENTITLEMENTS_KEYS_REFRESH": "5",
            "ENTITLEMENTS_INTROSPECTION": f"{issuer}={self.server.introspection}",
            "ENTITLEMENTS_INTROSPECTION_CLIENTS": f"{issuer}={file}",
            "ENTITLEMENTS_INTROSPECTION_CACHE": "0",
            "ENTITLEMENTS_BUDGET_MS": "10000",
        }

    def run(self, *arguments: str, given: str = "") -> tuple[int, Any]:
        """Exit code and the JSON that a command prints."""
        done = CliRunner().invoke(main, [*arguments, "--format", "json"], input=given, env=self.settings())
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.exit_code, json.loads(done.stdout)

    def inspected(self, token: str) -> set[str]:
        """The codes by which `token inspect` says that a token is refused; none where it is accepted."""
        code, told = self.run("token", "inspect", given=token)
        refusals = {text.rpartition("(")[2].rstrip(")") for text in told["refusals"]}
        found = refusals | {one["code"] for one in told["violations"]}
        assert code == (3 if found else 0), told
        return found

    def contract(self, changes: Mapping[str, Any], claims: Mapping[str, Mapping[str, Any]]) -> Contract:
        """The contract, with members of `tokens.access_token` and of its claims changed; None takes one away."""
        document = yaml.safe_load(self.file.read_text())
        document["tokens"]["access_token"] |= changes
        for name, members in claims.items():
            changed = document["claims"][name] | members
            document["claims"][name] = {key: value for key, value in changed.items() if value is not None}
        return parse_contract(yaml.safe_dump(document), Path("shop/1.0.0.yaml"))

    def judged(
        self,
        token: str,
        client: Client | None = None,
        claims: Mapping[str, Mapping[str, Any]] | None = None,
        **changes: Any,
    ) -> Any:
        """The claims of a token, or the code of its refusal, or the set of its violations.

        client: introspects as it, else JWTs are verified alone; claims, changes: of the contract.
        """
        contract = self.contract({"opaque": {"jwt": "introspect"}, **changes} if client else changes, claims or {})
        profile, issuer = contract.profile, self.server.issuer
        keys = {issuer: HttpKeys(f"{issuer}/protocol/openid-connect/certs", timeout=30)}
        verifier: Any = TokenVerifier([profile], keys)
        if client is not None:
            endpoint = HttpEndpoint(issuer, self.server.introspection, client, timeout=30, cache_seconds=0)
            verifier = IntrospectingVerifier([profile], verifier, keys, {issuer: endpoint})
        try:
            verified = verifier.verify(token, now=time.time(), audience=profile.audience)
        except EntitlementsError as error:
            return error.code
        finally:
            keys[issuer].close()
        admission = admit(contract, verified)
        if isinstance(admission, Refused):
            return {one.code for one in admission.violations}
        return admission.principal
