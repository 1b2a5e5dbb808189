"""`tokens.access_token` of a contract: profiles by name, rules by hand, and audiences that need words."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, changes
from entitlements.contract.lint import lint
from entitlements.contract.loader import parse_contract
from entitlements.errors import ContractsInvalid
from entitlements.model import TokenRules
from entitlements.profiles import DOCUMENTED_ONLY, PROFILES

ROOT = Path(__file__).resolve().parents[3]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
PAGE = (ROOT / "docs/identity-providers.md").read_text()
BASE = {"algorithms": ["ES256"], "max_lifetime": 600}
GENERIC: dict[str, Any] = {
    **BASE,
    "profile": "generic",
    "header_types": ["JWT", "none"],
    "marker": {"claim": "kind", "one_of": ["access"]},
    "never": ["nonce"],
    "scope": [{"claim": "scp", "form": "list"}],
    "client": ["azp"],
    "registered": ["iss", "exp", "sub"],
}


def contract(access: dict[str, Any], **changed: Any) -> Contract:
    tree = {**copy.deepcopy(TREE), "tokens": {"access_token": access}, **changed}
    return parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))


def faults(access: dict[str, Any], **changed: Any) -> str:
    with pytest.raises(ContractsInvalid) as refusal:
        contract(access, **changed)
    return "\n".join(map(str, refusal.value.faults))


def test_the_digest_of_a_contract_with_rfc9068_is_what_it_was() -> None:
    assert "rules" not in contract({**BASE, "profile": "rfc9068"}).canonical["tokens"]["access_token"]  # type: ignore[operator,index,call-overload]
    assert contract({**BASE, "profile": "rfc9068"}).profile.rules == TokenRules()


@pytest.mark.parametrize("name", sorted({*PROFILES} - {"rfc9068", "cognito"}))
def test_a_profile_is_named_and_part_of_the_digest(name: str) -> None:
    found = contract({**BASE, "profile": name})
    assert found.profile.rules == PROFILES[name]
    assert found.ref.digest != contract({**BASE, "profile": "rfc9068"}).ref.digest


def test_rules_by_hand_are_read_as_they_stand() -> None:
    rules = contract(GENERIC).profile.rules
    assert rules.header_types == ("", "jwt")
    assert {"nonce", "at_hash", "events"} <= {*rules.never}
    assert rules.scopes == (("scp", "list"),)
    assert rules.client == ("azp",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"marker": None}, "say what only they have"),
        ({"marker": {"claim": "iss", "present": True}}, "tests nothing"),
        ({"marker": {"claim": "kind"}}, "one of `present`, `one_of` and `prefix`"),
        ({"marker": {"claim": "kind", "present": True, "prefix": "x"}}, "one of `present`, `one_of` and `prefix`"),
        ({"marker": {"claim": "kind", "present": False}}, "is `true` for `present`"),
        ({"marker": {"claim": "kind", "one_of": []}}, "strings for `one_of`"),
        ({"marker": {"claim": "kind", "one_of": [True]}}, "strings for `one_of`"),
        ({"marker": {"claim": "kind", "prefix": ""}}, "a string for `prefix`"),
        ({"marker": {"all_of": []}}, "with a list of conditions"),
        ({"marker": {"all_of": [], "any_of": []}}, "with a list of conditions"),
        ({"marker": "anything"}, "is `audience_is_not_client` or an object"),
        ({"marker": {"any_of": [3]}}, "is `audience_is_not_client` or an object"),
        ({"header_types": []}, "one type or more is needed"),
        ({"header_types": None}, "needs it"),
        ({"scope": None}, "needs it"),
        ({"registered": ["iss", "sub"]}, "names `iss` and `exp` at least"),
        ({"registered": ["iss", "exp", "jti"]}, "names `sub` or a claim for the client"),
        ({"audience": {"claim": "sub", "values": ["a"]}}, "names no claim for the client"),
        ({"audience": {"claim": "azp", "values": []}}, "one client or more"),
    ],
    ids=range(19),
)
def test_rules_that_let_other_tokens_pass_are_faults(change: dict[str, Any], told: str) -> None:
    assert told in faults({**GENERIC, **change})


def test_a_header_that_decides_needs_no_marker() -> None:
    assert contract({**GENERIC, "header_types": ["at+jwt"], "marker": None}).profile.rules.marker is None


@pytest.mark.parametrize("member", ["header_types", "marker", "never", "scope", "client", "registered"])
def test_what_a_named_profile_says_is_not_said_again(member: str) -> None:
    assert "leaves it to you" in faults({**BASE, "profile": "keycloak", member: GENERIC[member]})


def test_cognito_needs_its_clients() -> None:
    assert "name the clients" in faults({**BASE, "profile": "cognito"})
    clients = {"claim": "client_id", "values": ["b", "a"]}
    assert contract({**BASE, "profile": "cognito", "audience": clients}).profile.rules.audience_clients == ("a", "b")


@pytest.mark.parametrize(
    ("audience", "word"),
    [
        ("account", "account"),
        ("https://login.example.com", "issuer"),
        ("https://login.example.com/", "issuer"),
        ("https://login.example.com/oauth2/userinfo", "userinfo"),
        ("https://tenant.example.com/userinfo/", "userinfo"),
    ],
    ids=range(5),
)
def test_an_audience_that_stands_in_other_tokens_has_to_be_said_in_words(audience: str, word: str) -> None:
    access = {**BASE, "profile": "keycloak"}
    assert f"`audience_is: {word}`" in faults(access, audience=audience)
    assert contract({**access, "audience_is": word}, audience=audience).profile.audience == audience
    other = "client" if word != "client" else "account"
    assert f"`audience_is: {word}`" in faults({**access, "audience_is": other}, audience=audience)


def test_rules_that_change_are_a_change() -> None:
    old, new = contract(GENERIC), contract({**GENERIC, "never": ["nonce", "sid"], "audience_is": "client"})
    found = [(change.rule, change.path) for change in changes(old, new) if change.rule == "token_profile_changed"]
    assert found == [
        ("token_profile_changed", "tokens.access_token.audience_is"),
        ("token_profile_changed", "tokens.access_token.never"),
    ]


def test_lint_says_that_a_profile_was_not_tried_and_that_tokens_live_long() -> None:
    for name in PROFILES:
        access: dict[str, Any] = {**BASE, "profile": name}
        if name == "cognito":
            access["audience"] = {"claim": "client_id", "values": ["a"]}
        codes = [fault.code for fault in lint(contract(access))]
        assert codes.count("profile_not_tried") == (name in DOCUMENTED_ONLY)
    assert "lifetime_long" in [fault.code for fault in lint(contract({**GENERIC, "max_lifetime": 86401}))]


def test_the_page_names_every_profile_and_marks_those_not_tried() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)`([^|]*)\|", PAGE, re.M))
    assert rows.keys() == PROFILES.keys()
    assert {name for name, note in rows.items() if "*" in note} == DOCUMENTED_ONLY


def test_the_examples_of_the_page_are_sound() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(blocks) == 3
    for block in blocks:
        contract(yaml.safe_load(block)["tokens"]["access_token"])


def test_sender_constraint_is_part_of_the_digest_where_it_is_not_the_default() -> None:
    base = {**BASE, "profile": "rfc9068"}
    plain = contract(base)
    assert contract({**base, "sender_constrained": "refused"}).ref == plain.ref
    assert plain.profile.sender_constrained == "refused"
    digests = {contract({**base, "sender_constrained": value}).ref.digest for value in ("permitted", "required")}
    assert len({*digests, plain.ref.digest}) == 3


@pytest.mark.parametrize("value", ["optional", "Required", "", True, None, []], ids=repr)
def test_sender_constraint_is_one_of_three_words(value: Any) -> None:
    assert "tokens.access_token.sender_constrained" in faults(
        {**BASE, "profile": "rfc9068", "sender_constrained": value}
    )


@pytest.mark.parametrize(
    ("profile", "name", "schema", "warned"),
    [
        ("keycloak", "suspended", {"type": "boolean"}, True),
        ("keycloak", "is_locked", {"type": "boolean"}, True),
        ("keycloak", "account-Disabled", {"type": "boolean"}, True),
        ("keycloak", "active", {"type": "boolean"}, False),
        ("keycloak", "unlocked", {"type": "boolean"}, False),
        ("keycloak", "suspended", {"enum": ["yes", "no"]}, False),
        ("hydra", "suspended", {"type": "boolean"}, False),
    ],
)
def test_a_negative_flag_of_a_mapper_that_reads_any_text_as_false_is_warned_about(
    profile: str, name: str, schema: dict[str, Any], warned: bool
) -> None:
    claims = {name: {"schema": schema}}
    found = lint(contract({**BASE, "profile": profile}, claims=claims, scopes={}, consumers=[]))
    assert ("negative_flag" in {fault.code for fault in found}) is warned
