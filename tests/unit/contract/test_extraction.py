"""A claim is read at its source and normalised exactly; anything that has not the expected shape is a violation."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Admitted, Contract, Refused, admit, parse_contract
from entitlements.contract.lint import lint
from entitlements.errors import ContractsInvalid
from entitlements.model import VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
KEYCLOAK = ROOT / "tests/fixtures/tokens/keycloak"
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text(encoding="utf-8"))
ROLES = {"type": "array", "items": {"enum": ["viewer", "agent"]}, "uniqueItems": True, "maxItems": 3}
OPEN = {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3}


def contract(claim: dict[str, Any], **changed: Any) -> Contract:
    tree = {**copy.deepcopy(TREE), "claims": {"roles": claim}, "scopes": {}, "consumers": [], "removed": [], **changed}
    return parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))


def faults(claim: dict[str, Any], **changed: Any) -> str:
    with pytest.raises(ContractsInvalid) as refusal:
        contract(claim, **changed)
    return "\n".join(map(str, refusal.value.faults))


def judged(found: Contract, claims: dict[str, Any], *, introspected: bool = False) -> Admitted | Refused:
    profile = found.profile
    registered = {"iss": profile.issuer, "aud": profile.audience, "exp": 1, "iat": 0, "jti": "j"}
    values = {**registered, "sub": "u", "client_id": "web", **claims}
    kind = "" if introspected else "at+jwt"
    verified = VerifiedClaims(values, profile.issuer, profile.audience, "ES256", 1.0, 600.0, kind)
    by = (profile.opaque,) if introspected and profile.opaque else ()
    return admit(found, replace(verified, introspected=introspected, asked_by=by))


def read(claim: dict[str, Any], claims: dict[str, Any]) -> Any:
    """The value that policy sees, `absent`, or the codes and places of the violations."""
    answer = judged(contract(claim), claims)
    if isinstance(answer, Refused):
        return {(violation.code, violation.claim) for violation in answer.violations}
    return answer.principal.claims.get("roles", "absent")


DEEP = {"source": ["realm_access", "roles"], "schema": ROLES}
SET = {"as": "set", "schema": ROLES}
WORDS = {"as": "words", "schema": OPEN}
MEMBER = {"as": {"member": "value"}, "schema": OPEN}
THINNED = {"ignore_items": ["default-roles-acme"], "schema": ROLES}
EMPTY = {"source": ["realm_access", "roles"], "absent": "empty", "schema": ROLES}
MISMATCH = {("type_mismatch", "roles")}


@pytest.mark.parametrize(
    ("claim", "claims", "seen"),
    [
        pytest.param(DEEP, {"realm_access": {"roles": ["agent"], "other": 1}}, ["agent"], id="source"),
        pytest.param(DEEP, {"realm_access": {}}, "absent", id="source_without_the_member"),
        pytest.param(DEEP, {}, "absent", id="source_not_there"),
        pytest.param(DEEP, {"roles": ["agent"]}, "absent", id="own_name_is_not_read"),
        pytest.param(DEEP, {"realm_access.roles": ["agent"]}, "absent", id="dotted_name_is_not_read"),
        pytest.param(DEEP, {"realm_access": None}, MISMATCH, id="source_null"),
        pytest.param(DEEP, {"realm_access": [{"roles": ["agent"]}]}, MISMATCH, id="source_a_list"),
        pytest.param(DEEP, {"realm_access": {"roles": None}}, MISMATCH, id="value_null"),
        pytest.param(DEEP, {"realm_access": {"roles": "agent"}}, MISMATCH, id="value_a_string"),
        pytest.param({**DEEP, "required": True}, {"realm_access": {}}, {("claim_missing", "roles")}, id="required"),
        pytest.param({**DEEP, "required": True}, {"realm_access": 1}, MISMATCH, id="unreadable_is_not_missing"),
        pytest.param(SET, {"roles": ["agent", "viewer", "agent"]}, ["agent", "viewer"], id="set_of_a_list"),
        pytest.param(SET, {"roles": "agent"}, ["agent"], id="set_of_a_string"),
        pytest.param(SET, {"roles": []}, [], id="set_of_nothing"),
        pytest.param(SET, {"roles": ""}, {("value_not_permitted", "roles[0]")}, id="set_of_the_empty_string"),
        pytest.param(SET, {"roles": 1}, MISMATCH, id="set_of_a_number"),
        pytest.param(SET, {"roles": {"agent": True}}, MISMATCH, id="set_of_an_object"),
        pytest.param(SET, {"roles": None}, MISMATCH, id="set_of_null"),
        pytest.param(WORDS, {"roles": "a b"}, ["a", "b"], id="words"),
        pytest.param(WORDS, {"roles": ""}, [], id="no_words"),
        pytest.param(WORDS, {"roles": ["a", "b"]}, MISMATCH, id="words_of_a_list"),
        pytest.param(WORDS, {"roles": "a  b"}, {("pattern_mismatch", "roles")}, id="words_two_spaces_apart"),
        pytest.param(WORDS, {"roles": " a"}, {("pattern_mismatch", "roles")}, id="words_after_a_space"),
        pytest.param(WORDS, {"roles": "a b a b"}, {("too_many_items", "roles")}, id="too_many_words"),
        pytest.param(MEMBER, {"roles": [{"value": "a", "x": 1}, {"value": "a"}]}, ["a", "a"], id="member"),
        pytest.param(MEMBER, {"roles": {"value": "a"}}, MISMATCH, id="member_of_an_object"),
        pytest.param(
            MEMBER, {"roles": [{"value": "a"}, "b"]}, {("type_mismatch", "roles[1]")}, id="member_of_a_string"
        ),
        pytest.param(MEMBER, {"roles": [{}]}, {("member_missing", "roles[0]")}, id="member_missing"),
        pytest.param(THINNED, {"roles": ["default-roles-acme", "agent"]}, ["agent"], id="ignored"),
        pytest.param(THINNED, {"roles": ["Default-roles-acme"]}, {("value_not_permitted", "roles[0]")}, id="near_miss"),
        pytest.param(THINNED, {"roles": "default-roles-acme"}, MISMATCH, id="ignored_is_no_list"),
        pytest.param(EMPTY, {}, [], id="absent_is_empty"),
        pytest.param(EMPTY, {"realm_access": {}}, [], id="absent_below_is_empty"),
        pytest.param(EMPTY, {"realm_access": {"roles": None}}, MISMATCH, id="null_is_not_absent"),
        pytest.param(EMPTY, {"realm_access": []}, MISMATCH, id="another_shape_is_not_absent"),
        pytest.param(
            {**WORDS, "as": ["words", "set"], "schema": ROLES}, {"roles": "agent agent"}, ["agent"], id="both"
        ),
        pytest.param(
            {"as": [{"member": "v"}, "set"], "schema": ROLES, "ignore_items": ["x"]},
            {"roles": [{"v": "x"}, {"v": "agent"}, {"v": "agent"}]},
            ["agent"],
            id="member_ignored_set",
        ),
    ],
)
def test_a_claim_is_read_exactly(claim: dict[str, Any], claims: dict[str, Any], seen: Any) -> None:
    assert read(claim, claims) == seen


def test_a_set_tells_true_from_one_and_not_one_from_its_other_spelling() -> None:
    schema = {"type": "array", "items": {"enum": [1, True]}, "uniqueItems": True, "maxItems": 2}
    assert read({"as": "set", "schema": schema}, {"roles": [1, True, 1.0, True]}) == [1, True]


@pytest.mark.parametrize("marker", ["hasgroups", "_claim_names"])
@pytest.mark.parametrize("present", [{}, {"roles": ["agent"]}])
def test_an_overage_marker_makes_the_claim_unknown_whatever_it_says(marker: str, present: dict[str, Any]) -> None:
    claim = {"overage": ["hasgroups", "_claim_names"], "schema": ROLES}
    for value in (True, False, {}, None):
        assert read(claim, {marker: value, **present}) == {("claim_elsewhere", "roles")}
    assert read(claim, present) == present.get("roles", "absent")


def test_what_a_source_reads_is_declared_and_the_rest_of_it_is_not_handed_on() -> None:
    rejecting = contract(DEEP, undeclared_claims="reject")
    answer = judged(rejecting, {"realm_access": {"roles": ["agent"], "secret": "x"}})
    assert isinstance(answer, Admitted)
    assert (answer.principal.claims, answer.ignored) == ({"roles": ["agent"]}, ())
    refused = judged(rejecting, {"realm_access": {"roles": ["agent"]}, "roles": ["viewer"]})
    assert isinstance(refused, Refused)
    assert [(v.code, v.claim) for v in refused.violations] == [("claim_undeclared", "roles")]
    ignoring = judged(contract(DEEP), {"realm_access": {"roles": ["agent"]}, "roles": ["viewer"]})
    assert isinstance(ignoring, Admitted)
    assert (ignoring.principal.claims, ignoring.ignored) == ({"roles": ["agent"]}, ("roles",))


def test_a_source_of_a_claim_that_no_granted_scope_releases_is_undeclared() -> None:
    bound = contract(DEEP, scopes={"orders:read": {"claims": ["roles"]}}, undeclared_claims="reject")
    claims = {"realm_access": {"roles": ["agent"]}}
    refused = judged(bound, claims)
    assert isinstance(refused, Refused)
    assert [(v.code, v.claim) for v in refused.violations] == [("claim_undeclared", "realm_access")]
    granted = judged(bound, {**claims, "scope": "orders:read"})
    assert isinstance(granted, Admitted)
    assert granted.principal.claims == {"roles": ["agent"]}


def test_an_introspection_answer_is_read_at_its_own_source() -> None:
    tokens = {"access_token": {**TREE["tokens"]["access_token"], "opaque": {}}}
    found = contract({**DEEP, "introspection_source": ["ext", "roles"]}, tokens=tokens)
    claims = {"realm_access": {"roles": ["viewer"]}, "ext": {"roles": ["agent"]}}
    for introspected, seen in ((False, ["viewer"]), (True, ["agent"])):
        answer = judged(found, claims, introspected=introspected)
        assert isinstance(answer, Admitted)
        assert answer.principal.claims == {"roles": seen}
    alone = judged(contract(DEEP, tokens=tokens), claims, introspected=True)
    assert isinstance(alone, Admitted)
    assert alone.principal.claims == {"roles": ["viewer"]}


def test_no_violation_holds_a_value_of_the_token() -> None:
    for claim, claims in (
        (DEEP, {"realm_access": "S3CRET"}),
        (WORDS, {"roles": "S3CRET  S3CRET"}),
        (MEMBER, {"roles": ["S3CRET"]}),
        (MEMBER, {"roles": [{"S3CRET": "S3CRET"}]}),
        ({"overage": ["hasgroups"], "schema": ROLES}, {"hasgroups": "S3CRET"}),
    ):
        answer = judged(contract(claim), claims)
        assert isinstance(answer, Refused)
        assert "S3CRET" not in repr(answer)


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ({**DEEP, "source": "realm_access.roles"}, "claims.roles.source: not a valid list"),
        ({**DEEP, "source": []}, "one to eight names"),
        ({**DEEP, "source": ["a"] * 9}, "one to eight names"),
        ({**DEEP, "source": ["sub"]}, "`sub` is built in"),
        ({**DEEP, "introspection_source": ["exp"]}, "`exp` is built in"),
        ({**SET, "as": "boolean"}, "is `set`, `words`, `{member: NAME}` or a list of them"),
        ({**SET, "as": {"member": 1}}, "is `set`, `words`, `{member: NAME}` or a list of them"),
        ({**SET, "as": {"member": "a", "set": True}}, "is `set`, `words`, `{member: NAME}` or a list of them"),
        ({**SET, "as": ["set", "words"]}, "then `set`"),
        ({**SET, "as": ["words", {"member": "a"}]}, "then `set`"),
        ({**SET, "as": []}, "then `set`"),
        ({**SET, "schema": {"type": "string"}}, "of the type `array`"),
        ({**SET, "schema": OPEN}, "`uniqueItems: true`"),
        ({**WORDS, "schema": {**OPEN, "items": {"enum": ["a b"]}}}, "strings without spaces"),
        ({**WORDS, "schema": {**OPEN, "items": {"enum": [1]}}}, "strings without spaces"),
        ({"ignore_items": ["agent"], "schema": ROLES}, "`agent` is permitted by the schema"),
        ({"ignore_items": ["x", "x"], "schema": ROLES}, "lists a name twice"),
        ({**EMPTY, "schema": {"enum": ["a"]}}, "of the type `array`"),
        ({**EMPTY, "schema": {**ROLES, "minItems": 1}}, "not permitted by `minItems`"),
        ({**EMPTY, "required": True}, "never absent"),
        ({**EMPTY, "absent": "null"}, "must be one of: empty"),
        ({**EMPTY, "overage": ["hasgroups"]}, "unknown where it is absent, never empty"),
    ],
)
def test_a_source_that_cannot_be_read_exactly_is_a_fault(claim: dict[str, Any], text: str) -> None:
    assert text in faults(claim)


def test_a_registered_claim_has_no_source() -> None:
    claims = {"roles": {"schema": ROLES}, "sub": {"schema": {"type": "string"}, "source": ["login"]}}
    tree = {**copy.deepcopy(TREE), "claims": claims, "scopes": {}, "consumers": [], "removed": []}
    with pytest.raises(ContractsInvalid, match="no valid contract") as refusal:
        parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))
    assert "`sub` is built in and stands where" in str(refusal.value.faults)


def test_the_digest_covers_how_a_claim_is_read_and_nothing_where_it_is_plain() -> None:
    plain = contract({"schema": ROLES})
    assert contract({"schema": ROLES, "source": ["roles"]}).ref == plain.ref
    assert {*plain.canonical["claims"]["roles"]} == {  # type: ignore[index, call-overload]
        *("schema", "required", "sensitivity", "tokens", "renamed_from")
    }
    others = [DEEP, SET, THINNED, EMPTY, {"overage": ["hasgroups"], "schema": ROLES}]
    others += [{**DEEP, "introspection_source": ["roles"]}, {**SET, "as": [{"member": "v"}, "set"]}]
    assert len({contract(claim).ref.digest for claim in [{"schema": ROLES}, *others]}) == len(others) + 1


def test_lint_warns_of_groups_that_entra_leaves_out() -> None:
    tokens = {"access_token": {"profile": "entra-v2", "algorithms": ["RS256"], "max_lifetime": 600}}
    for claim, warned in (({"source": ["groups"]}, True), ({"source": ["groups"], "overage": ["hasgroups"]}, False)):
        found = lint(contract({**claim, "schema": ROLES}, tokens=tokens))
        assert ("overage_unmarked" in {fault.code for fault in found}) is warned


def test_default_tokens_of_keycloak_are_read() -> None:
    fixture = json.loads((KEYCLOAK / "access-user-default.json").read_text())
    payload = fixture["payload"]
    own = {"ignore_items": ["default-roles-acme", "offline_access", "uma_authorization"], "absent": "empty"}
    found = contract(
        {**DEEP, "as": "set", **own},
        issuer=payload["iss"],
        audience="orders-api",
        tokens={"access_token": {"profile": "keycloak", "algorithms": ["RS256"], "max_lifetime": 600}},
        claims={
            "roles": {**DEEP, "as": "set", **own},
            "api": {"source": ["resource_access", "orders-api", "roles"], "schema": OPEN},
        },
    )
    answer = admit(found, VerifiedClaims(payload, payload["iss"], "orders-api", "RS256", 1.0, 300.0, "jwt"))
    assert isinstance(answer, Admitted), answer
    assert answer.principal.claims == {"roles": ["viewer", "agent"], "api": ["refunder"]}
