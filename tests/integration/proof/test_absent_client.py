"""A token that names no client is one that policies see with an empty `client_id`: proofs and enumeration know it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Admitted, Contract, Refused, admit, parse_contract
from entitlements.engine import Opa
from entitlements.model import VerifiedClaims
from entitlements.proof import PROVED, REFUTED, Effort, Side, compare_access
from tests.shop import SHOP

NOBODY, UNNAMED = "allow := false", 'allow if input.subject.client_id == ""'
NARROW = {"type": "string", "pattern": "^[a-z]+$"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a server that names no client at times": ({"profile": "spring"}, {}, REFUTED),
    "introspection answers": ({"profile": "keycloak", "opaque": {}}, {}, REFUTED),
    "a client that is narrowed": ({"profile": "spring"}, {"client_id": {"schema": NARROW}}, REFUTED),
    "a client that is required": ({"profile": "spring"}, {"client_id": {"required": True, "schema": NARROW}}, PROVED),
    "a server that always names it": ({"profile": "keycloak"}, {}, PROVED),
    "RFC 9068": ({"profile": "rfc9068"}, {}, PROVED),
}


def contract(version: str, access: dict[str, Any], claims: dict[str, Any]) -> Contract:
    document = {
        **SHOP,
        "version": version,
        "tokens": {"access_token": {"algorithms": ["ES256"], "max_lifetime": 600, **access}},
        "claims": {"staff": {"schema": {"type": "boolean"}}, **claims},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


@pytest.mark.parametrize("method", ["proof", "enumeration"])
@pytest.mark.parametrize("name", CASES)
def test_who_may_without_a_client_is_told(name: str, method: str, opa: Opa, tmp_path: Path) -> None:
    access, claims, wanted = CASES[name]
    sides = []
    for version, rules in (("1.0.0", NOBODY), ("2.0.0", UNNAMED)):
        place = tmp_path / version / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\n{rules}\n")
        sides.append(Side(contract(version, access, claims), place.parents[1], "shop/authz/allow"))
    found = compare_access(sides[0], sides[1], opa=opa, effort=Effort(method=method))
    refuted = found.no_new_access.answer == REFUTED
    assert refuted == (wanted == REFUTED)
    assert method == "enumeration" or found.no_new_access.answer == wanted


def test_claim_of_another_name_is_not_held_against_what_is_said_of_the_client() -> None:
    """Policies see the client that the profile reads, and no other `client_id` stands in for one that is not there."""
    rules = {"profile": "generic", "header_types": ["at+jwt"], "never": [], "scope": [], "client": ["azp"]}
    access = {**rules, "registered": ["iss", "exp", "sub"]}
    one = contract("1.0.0", access, {"client_id": {"required": True, "schema": NARROW}})
    values = {"iss": SHOP["issuer"], "aud": SHOP["audience"], "exp": 600, "sub": "u"}

    def admitted(**claims: str) -> Admitted | Refused:
        return admit(one, VerifiedClaims({**values, **claims}, SHOP["issuer"], SHOP["audience"], "ES256", 1.0, 600.0))

    assert isinstance(admitted(azp="web", client_id="WEB"), Admitted)
    refused = admitted(client_id="web")
    assert isinstance(refused, Refused)
    assert [(found.code, found.claim) for found in refused.violations] == [("claim_missing", "client_id")]
