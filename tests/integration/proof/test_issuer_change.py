"""Equal subs of two issuers are two subjects: where the issuer changes, nothing is known of who a token names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Effort, Side, compare_access
from tests.shop import SHOP

ELSEWHERE = "https://id.example.net"
OWNER = "allow if input.subject.id == input.resource.properties.owner"
CLIENT = 'allow if input.subject.client_id == "batch"'
ACTOR = 'allow if input.subject.actor.sub == "helpdesk"'
STAFF = "allow if input.subject.claims.staff"
ACT = {
    "actor": True,
    "schema": {
        "type": "object",
        "properties": {"sub": {"type": "string", "enum": ["helpdesk", "robot"]}},
        "required": ["sub"],
    },
}
# The policy, the issuer of the new version, and what is said of new access.
CASES: dict[str, tuple[str, str, str]] = {
    "an owner": (OWNER, ELSEWHERE, REFUTED),
    "a client": (CLIENT, ELSEWHERE, REFUTED),
    "an actor": (ACTOR, ELSEWHERE, REFUTED),
    "a claim of the contract": (STAFF, ELSEWHERE, PROVED),
    "an owner, the same issuer": (OWNER, SHOP["issuer"], PROVED),
    "an owner of the old issuer": (
        f'allow if {{ input.subject.issuer == "{SHOP["issuer"]}"; {OWNER.removeprefix("allow if ")} }}',
        ELSEWHERE,
        PROVED,
    ),
}


def contract(version: str, issuer: str) -> Contract:
    string = {"type": "string", "maxLength": 20}
    document: dict[str, Any] = {
        **SHOP,
        "version": version,
        "issuer": issuer,
        "claims": {"staff": {"schema": {"type": "boolean"}}, "act": ACT},
        "request": {
            "actions": ["read"],
            "resources": {"item": {"properties": {"owner": string}}},
            "context": {"properties": {}},
        },
    }
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


@pytest.mark.parametrize("method", ["proof", "enumeration"])
@pytest.mark.parametrize("name", CASES)
def test_who_a_token_names_does_not_go_on_at_another_issuer(name: str, method: str, opa: Opa, tmp_path: Path) -> None:
    rule, issuer, wanted = CASES[name]
    place = tmp_path / "shop" / "authz"
    place.mkdir(parents=True)
    (place / "authz.rego").write_text(f"package shop.authz\n\n{rule}\n")
    pair = contract("1.0.0", SHOP["issuer"]), contract("2.0.0", issuer)
    sides = [Side(one, tmp_path, "shop/authz/allow") for one in pair]
    found = compare_access(sides[0], sides[1], opa=opa, effort=Effort(method=method))
    assert (found.no_new_access.answer == REFUTED) == (wanted == REFUTED)
    assert method == "enumeration" or found.no_new_access.answer == wanted
