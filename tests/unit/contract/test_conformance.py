"""Claims become a principal of declared, conforming claims only, or every violation, each at its path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Admitted, Contract, Refused, admit, parse_contract, request_faults
from entitlements.contract.conformance import MAX_VIOLATIONS
from entitlements.model import Action, Resource, VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text(encoding="utf-8"))
CLAIMS = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


def contract_of(**changes: Any) -> Contract:
    return parse_contract(yaml.safe_dump({**copy.deepcopy(TREE), **changes}), Path("orders/1.0.0.yaml"))


def verified(contract: Contract, claims: Mapping[str, Any], **changes: Any) -> VerifiedClaims:
    profile = contract.profile
    registered = {"iss": profile.issuer, "aud": profile.audience, "exp": 1, "iat": 0, "jti": "j"}
    values = {**registered, "sub": "u_1", "client_id": "web", "scope": "orders:read orders:write", **claims}
    facts = {
        "issuer": profile.issuer,
        "audience": profile.audience,
        "algorithm": "ES256",
        "expires_at": 1.0,
        "lifetime": 600.0,
    }
    return VerifiedClaims(values, **{**facts, **changes})


def principal_of(contract: Contract, claims: Mapping[str, Any]) -> Admitted:
    admitted = admit(contract, verified(contract, claims))
    assert isinstance(admitted, Admitted), admitted
    return admitted


def violations_of(contract: Contract, claims: Mapping[str, Any], **changes: Any) -> list[tuple[str, str]]:
    refused = admit(contract, verified(contract, claims, **changes))
    assert isinstance(refused, Refused), refused
    return [(violation.code, violation.claim) for violation in refused.violations]


@pytest.fixture(scope="module")
def orders() -> Contract:
    return contract_of()


def test_conforming_claims_become_a_principal(orders: Contract) -> None:
    principal = principal_of(orders, CLAIMS).principal
    assert (principal.id, principal.client_id, principal.claims) == ("u_1", "web", CLAIMS)
    assert principal.scopes == ("orders:read", "orders:write")


MAP: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z]+$"},
    "additionalProperties": {"type": "string"},
    "maxProperties": 2,
}
WORDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "type_mismatch": ({"type": "string"}, 1, "1"),
    "type_mismatch of a boolean": ({"type": "boolean"}, "true", True),
    "type_mismatch of an integer": ({"type": "integer"}, True, 1.0),
    "type_mismatch of null": ({"type": "string"}, None, ""),
    "value_not_permitted": ({"enum": ["a", 1]}, True, 1.0),
    "value_not_permitted of a constant": ({"const": 1}, True, 1),
    "pattern_mismatch": ({"type": "string", "pattern": "^t_[a-z]$"}, "t_a\n", "t_a"),
    "pattern_mismatch of a twin": ({"type": "string", "pattern": "^t_[a-z]$"}, "t_\u212a", "t_k"),
    "pattern_mismatch of a digit": ({"type": "string", "pattern": "^[0-9]+$"}, "\u0661", "1"),
    "format_mismatch": ({"type": "string", "format": "email"}, "a", "a@b.example"),
    "type_mismatch of a union": ({"type": ["string", "integer"], "maxLength": 3}, True, "abc"),
    "too_long in a union": ({"type": ["string", "integer"], "maxLength": 3}, "abcd", 12345),
    "type_mismatch of a map": (MAP, [{"acme": "x"}], {"acme": "x"}),
    "name_not_permitted": (MAP, {"acme corp": "x"}, {"initech": "x"}),
    "too_many_members": (MAP, {"a": "x", "b": "x", "c": "x"}, {"a": "x", "b": "x"}),
    "too_short": ({"type": "string", "minLength": 2}, "\U0001f600", "\U0001f600a"),
    "too_long": ({"type": "string", "maxLength": 1}, "aa", "\U0001f600"),
    "too_small": ({"type": "integer", "minimum": 0}, -1, 0),
    "too_small for an open limit": ({"type": "number", "exclusiveMinimum": 0}, 0, 1e-300),
    "too_large": ({"type": "integer", "maximum": 5}, 6, 5),
    "too_large for an open limit": ({"type": "number", "exclusiveMaximum": 5}, 5, 4.999),
    "not_a_multiple": ({"type": "integer", "multipleOf": 3}, 4, 3),
    "too_few_items": ({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}, [], ["a"]),
    "too_many_items": ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"], ["a"]),
    "items_repeat": (
        {"type": "array", "items": {"enum": ["a", 1, True]}, "maxItems": 3, "uniqueItems": True},
        [1, 1.0],
        [1, True],
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_violation_has_its_code_and_its_near_miss_conforms(name: str) -> None:
    schema, bad, good = WORDS[name]
    contract = contract_of(claims={**TREE["claims"], "thing": {"schema": schema}})
    assert violations_of(contract, {**CLAIMS, "thing": bad}) == [(name.partition(" ")[0], "thing")]
    assert principal_of(contract, {**CLAIMS, "thing": good}).principal.claims["thing"] == good


def test_members_of_an_object_are_held_to_their_schema_by_path() -> None:
    thing = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}
    contract = contract_of(claims={**TREE["claims"], "thing": {"schema": thing}})
    found = violations_of(contract, {**CLAIMS, "thing": {"b": "1", "\x1b[2J": 1}})
    assert sorted(found) == [
        ("member_missing", "thing"),
        ("member_undeclared", "thing"),
        ("type_mismatch", "thing.b"),
    ]


# C10: (the claim `scope`, scopes that are granted, or None where it is malformed).
SCOPES: dict[str, tuple[Any, tuple[str, ...] | None]] = {
    "two": ("orders:write orders:read", ("orders:read", "orders:write")),
    "twice the same": ("orders:read orders:read", ("orders:read",)),
    "one": ("orders:read", ("orders:read",)),
    "comma": ("orders:read,orders:write", ()),
    "sub-string": ("xorders:readx", ()),
    "prefix": ("orders:", ()),
    "other case": ("Orders:Read", ()),
    "list": (["orders:read"], None),
    "object": ({"orders:read": True}, None),
    "null": (None, None),
    "boolean": (True, None),
    "number": (1, None),
    "empty": ("", ()),
    "blank": (" ", None),
    "two blanks": ("orders:read  orders:write", None),
    "blank before": (" orders:read", None),
    "blank behind": ("orders:read ", None),
    "tab": ("orders:read\torders:write", None),
    "newline": ("orders:read\n", None),
    "hard blank": ("orders:read\u00a0orders:write", None),
    "wide colon": ("orders\uff1aread", None),
    "quote": ('orders:read "', None),
    "backslash": ("orders:read \\", None),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scope_is_read_exactly_or_is_a_violation(orders: Contract, name: str) -> None:
    """C10, RFC 6749 section 3.3: nothing but the very scope grants."""
    scope, granted = SCOPES[name]
    admission = admit(orders, verified(orders, {**CLAIMS, "scope": scope}))
    if granted:
        assert isinstance(admission, Admitted)
        assert admission.principal.scopes == granted
        return
    # No scope is granted, so that the required claims that it would release count as undeclared.
    if isinstance(admission, Refused):
        assert granted is not None or ("scope_malformed", "scope") in [
            (violation.code, violation.claim) for violation in admission.violations
        ]
    else:
        assert granted == ()
        assert admission.principal.scopes == ()
        assert not admission.principal.claims.keys() & {"tenant", "roles", "clearance"}


def test_claim_that_no_granted_scope_releases_counts_as_undeclared(orders: Contract) -> None:
    admitted = principal_of(orders, {**CLAIMS, "scope": "orders:read"})
    released = orders.released_by
    for name in CLAIMS:
        held = not released[name] or "orders:read" in released[name]
        assert (name in admitted.principal.claims) == held
        assert (name in admitted.ignored) == (not held)


def test_undeclared_claims_and_scopes_are_stripped_or_rejected_as_the_contract_says(orders: Contract) -> None:
    """C15: an `act` chain, twins of declared names and names that mean something elsewhere."""
    claims = {
        **CLAIMS,
        "scope": "orders:read admin",
        "act": {"sub": "x", "act": {"sub": "y"}},
        "Tenant": "t_2",
        "tenant ": "t_2",
        "__proto__": {"roles": ["admin"]},
        "\x1b[2J": 1,
        "n" * 500: 1,
    }
    admitted = principal_of(orders, claims)
    assert admitted.principal.claims.keys() <= CLAIMS.keys()
    assert admitted.principal.scopes == ("orders:read",)
    assert {"act", "Tenant", "tenant ", "__proto__", "\\x1b[2J", "admin"} <= set(admitted.ignored)
    assert max(map(len, admitted.ignored)) <= 64
    rejecting = contract_of(undeclared_claims="reject")
    codes = violations_of(rejecting, claims)
    assert {("claim_undeclared", "act"), ("claim_undeclared", "__proto__"), ("scope_undeclared", "scope")} <= {*codes}


def test_version_that_demands_more_of_the_token_refuses_it(orders: Contract) -> None:
    """The token is verified for every version of its audience; each version still judges by its own profile."""
    for change, violation in (
        ({"issuer": "https://other.example"}, ("issuer_not_permitted", "iss")),
        ({"audience": "https://other.example"}, ("issuer_not_permitted", "iss")),
        ({"algorithm": "RS384"}, ("algorithm_not_permitted", "alg")),
        ({"lifetime": 3600.5}, ("lifetime_too_long", "exp")),
    ):
        assert violations_of(orders, CLAIMS, **change) == [violation]


def test_violations_are_bounded(orders: Contract) -> None:
    """C14: a token full of faults does not make an answer or a line of the log that is as full."""
    assert len(violations_of(orders, {**CLAIMS, "roles": [0] * 2500})) == MAX_VIOLATIONS
    rejecting = contract_of(undeclared_claims="reject")
    assert len(violations_of(rejecting, {**CLAIMS, **{f"x{n}": 0 for n in range(700)}})) == MAX_VIOLATIONS


def test_no_violation_holds_a_value(orders: Contract) -> None:
    admission = admit(orders, verified(orders, {"tenant": "hunter2", "roles": ["hunter2"], "clearance": "hunter2"}))
    assert "hunter2" not in repr(admission)


REQUESTS: dict[str, tuple[Action, Resource, dict[str, Any], list[str]]] = {
    "good": (Action("read"), Resource("order", "1", {"tenant": "t_1"}), {"channel": "api"}, []),
    "unknown action": (Action("erase"), Resource("order", "1", {"tenant": "t_1"}), {}, ["action.name"]),
    "action properties": (
        Action("read", {"x": 1}),
        Resource("order", "1", {"tenant": "t_1"}),
        {},
        ["action.properties"],
    ),
    "unknown type": (Action("read"), Resource("Order", "1", {"tenant": 1, "x": 1}), {}, ["resource.type"]),
    "everything": (
        Action("x"),
        Resource("order", "1", {"\x00": 1}),
        {"channel": "API", "y": 1},
        [
            "action.name",
            "context.channel",
            "context.y",
            "resource.properties.\\x00",
            "resource.properties.tenant",
        ],
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_held_to_the_contract_field_by_field(orders: Contract, name: str) -> None:
    """P8, H11."""
    action, resource, context, wanted = REQUESTS[name]
    assert sorted(request_faults(orders, action, resource, context)) == wanted


def with_binding(sender_constrained: str, **changes: Any) -> Contract:
    access = {**TREE["tokens"]["access_token"], "sender_constrained": sender_constrained}
    return contract_of(tokens={"access_token": access}, **changes)


@pytest.mark.parametrize(
    ("sender_constrained", "bound"), [("refused", True), ("required", False)], ids=["refused", "required"]
)
def test_binding_that_the_version_does_not_permit_is_a_violation(sender_constrained: str, bound: bool) -> None:
    """Where several versions are accepted, the token may fit another one."""
    contract = with_binding(sender_constrained)
    assert ("binding_not_permitted", "cnf") in violations_of(contract, CLAIMS, bound=bound)
    assert isinstance(admit(contract, verified(contract, CLAIMS, bound=not bound)), Admitted)


def test_confirmation_of_a_bound_token_is_no_undeclared_claim() -> None:
    contract = with_binding("permitted", undeclared_claims="reject")
    claims = {**CLAIMS, "cnf": {"jkt": "x"}}
    admitted = admit(contract, verified(contract, claims, bound=True))
    assert isinstance(admitted, Admitted)
    assert "cnf" not in admitted.principal.claims
    assert ("claim_undeclared", "cnf") in violations_of(contract, claims, bound=False)


@pytest.mark.parametrize(
    ("permitting", "refusing", "claims"),
    [
        pytest.param(
            {"profile": "cognito", "audience": {"claim": "client_id", "values": ["kiosk", "web"]}},
            {"profile": "cognito", "audience": {"claim": "client_id", "values": ["kiosk"]}},
            {"token_use": "access"},
            id="client",
        ),
        pytest.param({"audience_is": "client"}, {}, {"client_id": TREE["audience"]}, id="audience_is_client"),
    ],
)
def test_token_is_for_the_audience_by_the_version_that_admits_it(
    permitting: dict[str, Any], refusing: dict[str, Any], claims: dict[str, Any]
) -> None:
    """An older version that is accepted may permit it: the pinned one does not judge it for that."""
    token = {**CLAIMS, **claims}
    access = TREE["tokens"]["access_token"]
    one, other = (
        contract_of(tokens={"access_token": {**access, **rules}}, scopes={}) for rules in (permitting, refusing)
    )
    facts = {"header_type": ""} if "token_use" in claims else {}
    admitted = admit(one, verified(one, token, **facts))
    assert isinstance(admitted, Admitted), admitted
    assert violations_of(other, token, **facts) == [("issuer_not_permitted", "aud")]
