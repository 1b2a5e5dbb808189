"""What a change at Keycloak does to its tokens, and who says so: token inspect, contract check, lint, issuer check.

Each change is made at the server, on a client of its own; docs/identity-providers.md has the table.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from entitlements.model import Principal
from tests.keycloak.project import Project
from tests.keycloak.realm import ALICE, API, attribute, audience, client, mapper
from tests.keycloak.test_tokens import payload

if TYPE_CHECKING:
    from tests.keycloak.server import Keycloak

TENANT, CLEARANCE = attribute("tenant", "String"), attribute("clearance", "int")
SUSPENDED = attribute("suspended", "boolean")
IGNORED = ["default-roles-shop", "offline_access", "uma_authorization"]
GOOD = [audience(API), TENANT, CLEARANCE, SUSPENDED]
TEXT = attribute("suspended", "String")
MANY = attribute("tenant", "String") | {"config": attribute("tenant", "String")["config"] | {"multivalued": "true"}}


def constant(claim: str, value: str, label: str = "String") -> dict[str, Any]:
    written = {"claim_name": claim, "claim_value": value, "jsonType.label": label}
    return mapper(f"constant {claim}", "hardcoded-claim", **written)


def roles(claim: str) -> dict[str, Any]:
    written = {"claim_name": claim, "jsonType.label": "String", "multivalued": "true"}
    return mapper(f"roles as {claim}", "usermodel-realm-role", **written)


class Clients:
    """Clients that are made for one change each."""

    def __init__(self, server: Keycloak) -> None:
        self._server = server

    def token(
        self, mappers: list[dict[str, Any]], user: str = "alice", *, released: bool = True, **attributes: str
    ) -> str:
        """A token of a new client. released: whether it may name all roles of the user."""
        name = f"changed-{uuid.uuid4()}"
        self._server.admin("POST", "/clients", client(name, mappers, attributes) | {"fullScopeAllowed": released})
        return self._server.user_token(name, user)


@pytest.fixture(scope="module")
def clients(server: Keycloak) -> Clients:
    return Clients(server)


REFUSED: dict[str, tuple[list[dict[str, Any]], dict[str, str], set[str]]] = {
    "boolean mapper written as a string": ([audience(API), TENANT, TEXT], {}, {"type_mismatch"}),
    "integer mapper written as a string": (
        [audience(API), TENANT, SUSPENDED, attribute("clearance", "String")],
        {},
        {"type_mismatch"},
    ),
    "mapper made multivalued": ([audience(API), MANY, SUSPENDED], {}, {"type_mismatch"}),
    "mapper of a required claim removed": ([audience(API), SUSPENDED], {}, {"claim_missing"}),
    "claim written under another name": (
        [audience(API), attribute("tenant", "String", "org"), SUSPENDED],
        {},
        {"claim_missing"},
    ),
    "constant out of the contract": ([audience(API), constant("tenant", "ACME"), SUSPENDED], {}, {"pattern_mismatch"}),
    "audience mapper removed": (GOOD[1:], {}, {"audience_mismatch"}),
    "constant `cnf`": ([*GOOD, constant("cnf", '{"x": "y"}', "JSON")], {}, {"sender_constrained"}),
    "lifespan over `max_lifetime`": (GOOD, {"access.token.lifespan": "1200"}, {"lifetime_too_long"}),
    "signed by another algorithm": (
        GOOD,
        {"access.token.signed.response.alg": "PS256"},
        {"algorithm_not_permitted"},
    ),
    "lightweight tokens": (GOOD, {"client.use.lightweight.access.token.enabled": "true"}, {"claim_missing"}),
}


@pytest.mark.parametrize(("mappers", "attributes", "codes"), REFUSED.values(), ids=REFUSED)
def test_token_inspect_says_what_a_change_broke(
    mappers: list[dict[str, Any]], attributes: dict[str, str], codes: set[str], clients: Clients, project: Project
) -> None:
    assert codes <= project.inspected(clients.token(mappers, **attributes))


def test_unchanged_client_breaks_nothing(clients: Clients, project: Project) -> None:
    assert project.inspected(clients.token(GOOD)) == set()


HARMLESS = {
    "header type rfc9068": (GOOD, {"access.token.header.type.rfc9068": "true"}),
    # No contract can tell, and none has to: the server lets no mapper overwrite these.
    "constants of `iss typ jti exp nonce`": (
        [*GOOD, *(constant(name, "x") for name in ("iss", "typ", "jti", "exp", "nonce"))],
        {},
    ),
    "roles by a second mapper where Keycloak's stands": ([*GOOD, roles("realm_access.roles")], {}),
}


@pytest.mark.parametrize(("mappers", "attributes"), HARMLESS.values(), ids=HARMLESS)
def test_change_that_moves_nothing_is_accepted(
    mappers: list[dict[str, Any]], attributes: dict[str, str], clients: Clients, project: Project
) -> None:
    token = clients.token(mappers, **attributes)
    assert project.inspected(token) == set()
    found = project.judged(token)
    assert (found.id, sorted(found.claims["roles"])) == (ALICE, ["agent", "viewer"])


def test_roles_of_two_mappers_repeat_and_a_contract_without_set_refuses_them(
    clients: Clients, project: Project
) -> None:
    one = roles("roles")
    token = clients.token([*GOOD, one, one | {"name": "again"}])
    assert payload(token)["roles"].count("agent") == 2
    flat = {"source": None, "absent": None}
    assert sorted(project.judged(token, claims={"roles": flat}).claims["roles"]) == ["agent", "viewer"]
    assert "items_repeat" in project.judged(token, claims={"roles": {**flat, "as": None}})


def test_constant_audience_stands_beside_the_apis_or_in_its_place(clients: Clients, project: Project) -> None:
    """Which of the two is a matter of the order in which the server takes the mappers."""
    token = clients.token([*GOOD, constant("aud", "https://other.example.com")])
    named = payload(token)["aud"]
    assert "https://other.example.com" in named
    assert project.inspected(token) >= (set() if API in named else {"audience_mismatch"})
    assert isinstance(project.judged(token), Principal) == (API in named)


def test_roles_that_are_not_released_are_none(clients: Clients, project: Project) -> None:
    """What `absent: empty` says: this server leaves an empty list out."""
    token = clients.token(GOOD, released=False)
    assert "realm_access" not in payload(token)
    assert list(project.judged(token).claims["roles"]) == []


@pytest.mark.parametrize("claim", ["sub", "azp"])
def test_identity_is_what_mappers_say(claim: str, clients: Clients, project: Project) -> None:
    """A mapper overrides it: who may edit mappers may be anybody. Nothing in a token tells it."""
    found = project.judged(clients.token([*GOOD, constant(claim, "root")]))
    assert isinstance(found, Principal)
    assert {"sub": found.id, "azp": found.client_id}[claim] == "root"


def test_client_that_two_claims_name_differently_is_refused(clients: Clients, project: Project) -> None:
    token = clients.token([*GOOD, constant("client_id", "another")])
    assert payload(token)["azp"] != "another"
    assert project.judged(token) == "claim_invalid"


def test_default_roles_have_to_be_ignored_by_name(clients: Clients, project: Project) -> None:
    token = clients.token(GOOD)
    assert "default-roles-shop" in payload(token)["realm_access"]["roles"]
    found = project.judged(token, claims={"roles": {"ignore_items": IGNORED[1:]}})
    assert "value_not_permitted" in found


def test_values_that_do_not_fit_a_mapper_vanish_or_turn_false(clients: Clients, project: Project) -> None:
    """bob's `suspended` is the text `perhaps`, his `clearance` is `high`, and he has two tenants."""
    token = clients.token(GOOD, "bob")
    claims = payload(token)
    assert (claims["suspended"], claims["tenant"]) == (False, "t_2")
    assert "clearance" not in claims
    # Nothing in this token tells it. What does is the lint of a contract that reads a negative flag from such a source.
    assert project.inspected(token) == set()
    code, told = project.run("contract", "lint")
    assert code == 0
    assert "negative_flag" in {one["code"] for one in told["warnings"]}


@pytest.fixture
def checked(project: Project) -> Iterator[Any]:
    """Writes version 2.0.0 of the contract with an edit, and tells what `contract check` finds of the step."""
    file = project.file.with_name("2.0.0.yaml")

    def check(token_rules: Mapping[str, Any], claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        document = yaml.safe_load(project.file.read_text())
        changed = copy.deepcopy(document) | {"version": "2.0.0"}
        changed["tokens"]["access_token"] |= token_rules
        for name, members in claims.items():
            changed["claims"][name] = {**changed["claims"][name], **members}
        file.write_text(yaml.safe_dump(changed, sort_keys=False))
        _, told = project.run("contract", "check", "shop@1.0.0", "shop@2.0.0")
        assert isinstance(told, dict)
        return told

    yield check
    file.unlink(missing_ok=True)


FOLLOWED = {
    "strings for a boolean": ({}, {"suspended": {"schema": {"enum": ["true", "false"]}}}, "claim_retyped"),
    "roles from a client": ({}, {"roles": {"source": ["resource_access", API, "roles"]}}, "source_changed"),
    "one more role to ignore": ({}, {"roles": {"ignore_items": [*IGNORED, "auditor"]}}, "ignored_item_added"),
    "header type rfc9068 alone": ({"profile": "rfc9068"}, {}, "token_profile_changed"),
    "another algorithm": ({"algorithms": ["RS256", "PS256"]}, {}, "algorithm_added"),
    "longer lifespan": ({"max_lifetime": 1200}, {}, "lifetime_raised"),
    "bound tokens alone": ({"sender_constrained": "required"}, {}, "sender_constraint_tightened"),
}


@pytest.mark.parametrize(("rules", "claims", "finding"), FOLLOWED.values(), ids=FOLLOWED)
def test_contract_check_says_what_a_contract_that_follows_the_server_changes(
    rules: dict[str, Any], claims: dict[str, Any], finding: str, checked: Any
) -> None:
    told = checked(rules, claims)
    assert finding in {one["id"] for one in told["findings"]}, told["findings"]


def states(told: dict[str, Any]) -> dict[str, str]:
    (contract,) = told["contracts"]
    return {one["check"]: one["state"] for one in contract["findings"]}


def test_issuer_check_finds_a_server_that_honours_the_contract(server: Keycloak, project: Project) -> None:
    code, told = project.run("issuer", "check", server.issuer)
    assert (code, told["honours"]) == (0, True), told


def test_issuer_check_says_which_algorithm_has_no_key(server: Keycloak, tmp_path: Path) -> None:
    other = Project(server, tmp_path, algorithms="[EdDSA]")
    code, told = other.run("issuer", "check", server.issuer)
    assert (code, told["honours"]) == (3, False)
    assert {name for name, state in states(told).items() if state == "fails"} == {"algorithms"}
