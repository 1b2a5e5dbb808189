"""What five real servers say of themselves, held against contracts, and each thing that can be wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.issuer_check import FAILS, HOLDS, UNKNOWN, Described, honours, judge_issuer
from entitlements.token import IssuerMetadata, generate_key, parse_key_set

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "tokens"
ORDERS = (ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text()
SERVERS = {
    "keycloak": "access-user-default",
    "hydra": "access-client",
    "spring": "access-client",
    "node-oidc-provider": "access-client",
    "zitadel-oidc": "access-client",
}
ISSUER = "https://login.example.com"
KEY = generate_key("ES256", "k").public_jwk()


def contract(issuer: str = ISSUER, profile: str = "rfc9068", algorithms: str = "RS256", **access: str) -> Contract:
    line = ", ".join([f"profile: {profile}", f"algorithms: [{algorithms}]", "max_lifetime: 3600"])
    line += "".join(f", {name}: {value}" for name, value in access.items())
    text = ORDERS.replace("{profile: rfc9068, algorithms: [RS256, ES256, EdDSA], max_lifetime: 3600}", f"{{{line}}}")
    return parse_contract(
        text.replace("issuer: https://login.example.com", f"issuer: {issuer}"), Path("orders/1.0.0.yaml"), named=False
    )


def recorded(server: str) -> Described:
    members = json.loads((FIXTURES / server / "metadata.json").read_text())["answer"]
    jwks = json.loads((FIXTURES / server / f"{SERVERS[server]}.json").read_text())["jwks"]
    keys = parse_key_set(json.dumps(jwks).encode())
    problem = "" if "introspection_endpoint" in members else "the metadata names no `introspection_endpoint`"
    return Described(IssuerMetadata(members["issuer"], "https://x", members), "", keys, "", problem)


def described(*jwks: Any, **members: Any) -> Described:
    keys = parse_key_set(json.dumps({"keys": [*jwks]}).encode())
    return Described(IssuerMetadata(ISSUER, "https://x", {"issuer": ISSUER, **members}), "", keys, "")


def states(found: Described, held: Contract | None, issuer: str = ISSUER) -> dict[str, str]:
    """By check the worst state."""
    order = (HOLDS, UNKNOWN, FAILS)
    worst: dict[str, str] = {}
    for one in judge_issuer(issuer, found, held):
        worst[one.check] = max(worst.get(one.check, HOLDS), one.state, key=order.index)
        assert one.state == HOLDS or one.remedy or held is None or one.check == "introspection"
    return worst


@pytest.mark.parametrize("server", SERVERS)
def test_recorded_server_honours_a_contract_of_its_profile(server: str) -> None:
    found = recorded(server)
    assert found.metadata is not None
    profile = {"node-oidc-provider": "rfc9068", "zitadel-oidc": "zitadel"}.get(server, server)
    algorithm = "ES256" if server == "node-oidc-provider" else "RS256"
    held = contract(found.metadata.issuer, profile, algorithm)
    assert honours(judge_issuer(found.metadata.issuer, found, held))
    assert states(found, held, found.metadata.issuer)["algorithms"] == HOLDS


@pytest.mark.parametrize("server", ["keycloak", "hydra", "spring"])
def test_recorded_server_is_recognised_under_another_profile(server: str) -> None:
    found = recorded(server)
    assert found.metadata is not None
    issuer = found.metadata.issuer
    others = {"keycloak": "hydra", "hydra": "spring", "spring": "keycloak"}
    findings = judge_issuer(issuer, found, contract(issuer, others[server]))
    (told,) = [one for one in findings if one.check == "token_type"]
    assert (told.state, f"looks like {server}" in told.text) == (FAILS, True)
    # Every server can be made to send the type of RFC 9068, which its metadata does not tell.
    assert states(found, contract(issuer), issuer)["token_type"] == UNKNOWN


def test_issuer_of_another_spelling_fails() -> None:
    assert states(described(KEY), contract(f"{ISSUER}/", algorithms="ES256"))["issuer"] == FAILS


def test_server_without_metadata_fails_unless_its_keys_are_set_by_hand() -> None:
    silent = Described(None, "the metadata cannot be fetched", None, "no metadata says where it is")
    assert states(silent, contract()) | {"token_type": ""} == {"metadata": FAILS, "keys": FAILS, "token_type": ""}
    keys = parse_key_set(json.dumps({"keys": [KEY]}).encode())
    by_hand = replace(silent, keys=keys, keys_by_hand="https://login.example.com/keys")
    assert honours(judge_issuer(ISSUER, by_hand, contract(algorithms="ES256")))


@pytest.mark.parametrize(
    ("jwks", "algorithms", "check"),
    [
        ([], "ES256", "keys"),
        ([{**KEY, "use": "enc"}], "ES256", "keys"),
        ([generate_key("ES256", "k").to_jwk(), generate_key("ES256", "m").public_jwk()], "ES256", "keys"),
        ([KEY], "RS256", "algorithms"),
        (
            [{k: v for k, v in generate_key("RS256", "r").public_jwk().items() if k != "alg"}],
            "RS256, PS256",
            "algorithms",
        ),
    ],
    ids=range(5),
)
def test_keys_that_the_contract_cannot_be_honoured_with_fail(jwks: list[Any], algorithms: str, check: str) -> None:
    assert states(described(*jwks), contract(algorithms=algorithms))[check] == FAILS


def test_key_without_alg_serves_the_one_algorithm_of_the_contract() -> None:
    key = {name: value for name, value in generate_key("RS256", "r").public_jwk().items() if name != "alg"}
    assert states(described(key), contract(algorithms="PS256"))["algorithms"] == HOLDS


def test_scopes_that_are_not_listed_are_unknown() -> None:
    held = contract(algorithms="ES256")
    listed = described(KEY, scopes_supported=[*held.scopes, "openid"])
    assert states(listed, held)["scopes"] == HOLDS
    assert states(described(KEY, scopes_supported=["openid"]), held)["scopes"] == UNKNOWN
    assert "scopes" not in states(described(KEY), held)


def test_bound_tokens_that_the_contract_demands_have_to_be_offered() -> None:
    held = contract(algorithms="ES256", sender_constrained="required")
    assert states(described(KEY), held)["binding"] == FAILS
    assert states(described(KEY, dpop_signing_alg_values_supported=["ES256"]), held)["binding"] == HOLDS
    assert states(described(KEY, tls_client_certificate_bound_access_tokens=True), held)["binding"] == HOLDS


def test_introspection_is_needed_where_the_contract_permits_opaque_tokens() -> None:
    held = contract(algorithms="ES256", opaque="{}")
    without = replace(described(KEY), introspection_problem="the metadata names no `introspection_endpoint`")
    assert states(without, held)["introspection"] == FAILS
    assert "introspection" not in states(without, contract(algorithms="ES256"))
    url = f"{ISSUER}/introspect"
    methods = {"introspection_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert states(described(KEY, introspection_endpoint=url), held)["introspection"] == HOLDS
    assert states(described(KEY, introspection_endpoint=url, **methods), held)["introspection"] == FAILS
