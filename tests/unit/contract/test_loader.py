"""A contract file loads as what it says, or is refused with every fault, each at its line and path."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entitlements.contract import Contract, conforms, input_schema, lint, load_contract, parse_contract
from entitlements.errors import ContractsInvalid

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text(encoding="utf-8")
TREE: dict[str, Any] = yaml.safe_load(TEXT)
PATH = Path("orders/1.0.0.yaml")


def refusal_of(text: str) -> ContractsInvalid:
    with pytest.raises(ContractsInvalid) as refusal:
        parse_contract(text, PATH)
    assert refusal.value.faults
    assert all(fault.file == str(PATH) and fault.message for fault in refusal.value.faults)
    return refusal.value


def changed(place: str, value: Any) -> str:
    """The sample with one place set anew; the parts of `place` are joined by slashes."""
    tree = copy.deepcopy(TREE)
    part: Any = tree
    *parents, last = place.split("/")
    for name in parents:
        part = part[name]
    part[last] = value
    return yaml.safe_dump(tree, sort_keys=False)


def test_sample_loads_and_its_digest_is_stable() -> None:
    contract = parse_contract(TEXT, PATH)
    assert (contract.name, contract.version) == ("orders", "1.0.0")
    assert contract.ref.digest == parse_contract(TEXT, PATH).ref.digest


ACCESS = "tokens/access_token"
REFUSED: dict[str, tuple[str, Any, str]] = {
    "algorithms empty": (f"{ACCESS}/algorithms", [], "tokens.access_token.algorithms"),
    "algorithms null": (f"{ACCESS}/algorithms", None, "tokens.access_token.algorithms"),
    "algorithms text": (f"{ACCESS}/algorithms", "RS256", "tokens.access_token.algorithms"),
    "algorithm none": (f"{ACCESS}/algorithms", ["none"], "tokens.access_token.algorithms[0]"),
    "algorithm HS256": (f"{ACCESS}/algorithms", ["RS256", "HS256"], "tokens.access_token.algorithms[1]"),
    "algorithm lower case": (f"{ACCESS}/algorithms", ["rs256"], "tokens.access_token.algorithms[0]"),
    "profile unknown": (f"{ACCESS}/profile", "any", "tokens.access_token.profile"),
    "lifetime zero": (f"{ACCESS}/max_lifetime", 0, "tokens.access_token.max_lifetime"),
    "lifetime text": (f"{ACCESS}/max_lifetime", "3600", "tokens.access_token.max_lifetime"),
    "lifetime boolean": (f"{ACCESS}/max_lifetime", True, "tokens.access_token.max_lifetime"),
    "issuer http": ("issuer", "http://login.example.com", "issuer"),
    "issuer empty": ("issuer", "", "issuer"),
    "issuer list": ("issuer", ["https://login.example.com"], "issuer"),
    "audience empty": ("audience", "", "audience"),
    "audience null": ("audience", None, "audience"),
    "version short": ("version", "1.0", "version"),
    "version number": ("version", 1.0, "version"),
    "undeclared other": ("undeclared_claims", "allow", "undeclared_claims"),
    "claims empty": ("claims", {}, "scopes.orders:read.claims[0]"),
    "claims list": ("claims", [], "claims"),
    "policy without rule": ("policy", {"package": "orders.authz"}, "policy.rule"),
    "policy traversal": ("policy/package", "orders/../system", "policy.package"),
    "policy with a query": ("policy/rule", "decision?x", "policy.rule"),
    "required text": ("claims/tenant/required", "yes", "claims.tenant.required"),
    "sensitivity unknown": ("claims/tenant/sensitivity", "low", "claims.tenant.sensitivity"),
    "schema missing": ("claims/tenant", {"required": True}, "claims.tenant.schema"),
    "schema empty": ("claims/tenant/schema", {}, "claims.tenant.schema"),
    "schema anyOf": ("claims/tenant/schema", {"type": "string", "anyOf": []}, "claims.tenant.schema.anyOf"),
    "schema $ref": ("claims/tenant/schema", {"$ref": "https://x.example/"}, "claims.tenant.schema"),
    "pattern broken": ("claims/tenant/schema/pattern", "(", "claims.tenant.schema.pattern"),
    "bounds crossed": ("claims/clearance/schema/minimum", 9, "claims.clearance.schema.minimum"),
    "list without a maximum": (
        "claims/roles/schema",
        {"type": "array", "items": {"type": "string"}},
        "claims.roles.schema",
    ),
    "list beyond the maximum": ("claims/roles/schema/maxItems", 1001, "claims.roles.schema.maxItems"),
    "list of anything": ("claims/roles/schema", {"type": "array", "maxItems": 3}, "claims.roles.schema"),
    "list of lists without a maximum": (
        "claims/roles/schema/items",
        {"type": "array", "items": {"type": "string"}},
        "claims.roles.schema.items",
    ),
    "object that is open": (
        "claims/tenant/schema",
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        "claims.tenant.schema.additionalProperties",
    ),
    "object without properties": ("claims/tenant/schema", {"type": "object"}, "claims.tenant.schema"),
    "object that requires what it has not": (
        "claims/tenant/schema",
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        "claims.tenant.schema.required",
    ),
    "keyword of another type": (
        "claims/clearance/schema/pattern",
        "^a$",
        "claims.clearance.schema.pattern",
    ),
    "two types": ("claims/tenant/schema/type", ["string", "string"], "claims.tenant.schema.type"),
    "schema that is a boolean": ("claims/tenant/schema", True, "claims.tenant.schema"),
    "pattern that looks ahead": ("claims/tenant/schema/pattern", "^(?=a)", "claims.tenant.schema.pattern"),
    "pattern that looks back": ("claims/tenant/schema/pattern", "(a)\\1", "claims.tenant.schema.pattern"),
    "pattern that explodes": ("claims/tenant/schema/pattern", "((a{1000}){1000}){9}", "claims.tenant.schema.pattern"),
    "format unknown": ("claims/email/schema/format", "phone", "claims.email.schema.format"),
    "claim in no token": ("claims/email/tokens", [], "claims.email.tokens"),
    "claim in an unknown token": ("claims/email/tokens", ["cookie"], "claims.email.tokens[0]"),
    "claim with a bracket": ("claims/a[0]", {"schema": {"type": "string"}}, "claims.a[0]"),
    "nbf declared": ("claims/nbf", {"schema": {"type": "integer"}}, "claims.nbf"),
    "tombstone of a built-in claim": ("removed", ["sub"], "removed[0]"),
    "lifetime beyond thirty days": (f"{ACCESS}/max_lifetime", 30 * 86400 + 1, "tokens.access_token.max_lifetime"),
    "lifetime with a fraction": (f"{ACCESS}/max_lifetime", 0.5, "tokens.access_token.max_lifetime"),
    "algorithm twice": (f"{ACCESS}/algorithms", ["ES256", "ES256"], "tokens.access_token.algorithms"),
    "issuer with a query": ("issuer", "https://login.example.com?x", "issuer"),
    "issuer with a user": ("issuer", "https://u@login.example.com", "issuer"),
    "issuer without a host": ("issuer", "https://", "issuer"),
    "issuer broken": ("issuer", "https://[", "issuer"),
    "audience with a blank": ("audience", "a b", "audience"),
    "policy in the folder of OPA's own": ("policy/package", "system.authz", "policy.package"),
    "scope with a quote": ('scopes/a"b', {"claims": ["tenant"]}, 'scopes.a"b'),
    "consumer twice": (
        "consumers",
        [{"name": "x", "kind": "first-party"}, {"name": "x", "kind": "third-party"}],
        "consumers[1].name",
    ),
    "request without an action": ("request/actions", [], "request"),
    "request that requires what it has not": (
        "request/resources/order/required",
        ["nothing"],
        "request.resources.order.required",
    ),
    "request property without a type": (
        "request/resources/order/properties/tenant",
        {},
        "request.resources.order.properties.tenant",
    ),
    "context property without a type": (
        "request/context",
        {"properties": {"x": {"anyOf": []}}},
        "request.context.properties.x",
    ),
    "enum empty": ("claims/roles/schema/items/enum", [], "claims.roles.schema.items.enum"),
    "tombstone reused": ("removed", ["tenant"], "removed[0]"),
    "scope of an unknown claim": ("scopes/orders:read/claims", ["tenent"], "scopes.orders:read.claims[0]"),
    "consumer of an unknown claim": (
        "consumers",
        [{"name": "x", "kind": "first-party", "relies_on": ["tenent"]}],
        "consumers[0].relies_on[0]",
    ),
    "unknown member": ("audiences", ["https://x.example"], "audiences"),
    "unknown member of a claim": ("claims/tenant/optional", True, "claims.tenant.optional"),
    "other name than the file's": ("contract", "payments", "contract"),
    "built-in claim declared": ("claims/scope", {"schema": {"type": "string"}}, "claims.scope"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_fault_is_told_at_its_path(name: str) -> None:
    place, value, path = REFUSED[name]
    refusal = refusal_of(changed(place, value))
    assert path in [fault.path for fault in refusal.faults], [str(fault) for fault in refusal.faults]


def test_scopes_alone_are_a_contract_and_nothing_at_all_is_none() -> None:
    tree = {**TREE, "claims": {}, "consumers": [], "scopes": {"orders:read": {"claims": []}}}
    found = parse_contract(yaml.safe_dump(tree), PATH)
    assert (dict(found.claims), [*found.scopes]) == ({}, ["orders:read"])
    refusal = refusal_of(yaml.safe_dump({**tree, "scopes": {}}))
    assert [(fault.path, fault.message.partition(":")[0]) for fault in refusal.faults] == [
        ("claims", "a contract needs one claim or one scope")
    ]


YAML_FAULTS = {
    "duplicate key": TEXT.replace("audience: https", "issuer: https", 1),
    "duplicate claim": TEXT + "\nclaims: {}\n",
    "tag": TEXT.replace("version: 1.0.0", "version: !!python/name:os.system x"),
    "own tag": TEXT.replace("version: 1.0.0", "version: !secret x"),
    "anchor and alias": TEXT.replace("[department]", "&x [*x]"),
    "anchor bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n",
    "two documents": TEXT + "\n---\n" + TEXT,
    "yes for a boolean": TEXT.replace("required: true", "required: yes", 1),
    "off for a boolean": TEXT.replace("required: true", "required: off", 1),
    "not YAML": TEXT.replace("claims:", "claims: [", 1),
    "tab": TEXT.replace("  tenant:", "\ttenant:", 1),
    "merge key": TEXT.replace("removed: [department]", "<<: {removed: [x]}"),
    "NUL": TEXT + "\0",
    "empty": "",
    "comment only": "# nothing\n",
    "null": "null",
    "list": "[]",
    "text": "orders",
    "deep": "[" * 3000,
    "not a number": TEXT.replace("maximum: 5", "maximum: .nan", 1),
    "infinite": TEXT.replace("maximum: 5", "maximum: .inf", 1),
    "date for a version": TEXT.replace("version: 1.0.0", "version: 2026-01-01"),
    "tag of an integer": TEXT.replace("maximum: 5", "maximum: !!int '--5'", 1),
    "tag of a text": TEXT.replace("maximum: 5", "maximum: !!str 5", 1),
    "wide digits": TEXT.replace("maximum: 5", "maximum: !!int ٣", 1),
    "digits with an underscore": TEXT.replace("maximum: 5", "maximum: 1_0.5", 1),
    "octal": TEXT.replace("maximum: 5", "maximum: 010", 1),
    "sexagesimal": TEXT.replace("maximum: 5", "maximum: 1:30", 1),
    "number beyond the exact range": TEXT.replace("maximum: 5", f"maximum: {2**53}", 1),
    "float beyond the exact range": TEXT.replace("maximum: 5", "maximum: 1.0e+300", 1),
    "number of 5,000 digits": TEXT.replace("maximum: 5", "maximum: " + "9" * 5000, 1),
    "escape that names no character": TEXT.replace("[department]", '["\\UFFFFFFFF"]'),
    "lone surrogate": TEXT.replace("[department]", '["\\ud800"]'),
    "lone surrogate as key": TEXT.replace("  tenant:", '  "\\ud800":', 1),
    "key that is a list": "[a]: 1\n",
    "key that is an object": "{a: b}: 1\n",
}


@pytest.mark.parametrize("name", YAML_FAULTS)
def test_yaml_that_means_more_than_it_shows_is_refused(name: str) -> None:
    assert YAML_FAULTS[name] != TEXT
    refusal_of(YAML_FAULTS[name])


def test_every_fault_is_told_at_once_in_the_order_of_lines() -> None:
    text = (
        TEXT.replace("type: boolean", "type: bool")
        .replace("minimum: 0", "minimum: nine", 1)
        .replace("https://login", "http://login")
    )
    refusal = refusal_of(text)
    lines = [fault.line for fault in refusal.faults]
    assert lines == sorted(lines)
    for needle, path in (
        ("http://login", "issuer"),
        ("minimum: nine", "claims.clearance.schema.minimum"),
        ("type: bool", "claims.suspended.schema.type"),
    ):
        line = next(number for number, row in enumerate(text.splitlines(), 1) if needle in row)
        assert (line, path) in [(fault.line, fault.path) for fault in refusal.faults]


def test_digest_ignores_order_and_prose_and_nothing_else() -> None:
    digest = parse_contract(TEXT, PATH).ref.digest
    tree = copy.deepcopy(TREE)
    tree["claims"] = dict(reversed(tree["claims"].items()))
    tree["scopes"] = dict(reversed(tree["scopes"].items()))
    tree["description"] = "Other words."
    tree["claims"]["tenant"]["description"] = "Other words."
    tree["tokens"]["access_token"]["algorithms"].reverse()
    tree["consumers"].reverse()
    assert parse_contract(yaml.safe_dump(tree), PATH).ref.digest == digest
    for place, value in (
        ("audience", "https://other.example.com"),
        ("undeclared_claims", "reject"),
        (f"{ACCESS}/max_lifetime", 3601),
        ("claims/clearance/schema/maximum", 6),
        ("claims/tenant/required", False),
        ("claims/email/sensitivity", "internal"),
        ("removed", []),
        ("request/actions", ["read"]),
    ):
        assert parse_contract(changed(place, value), PATH).ref.digest != digest, place


def test_file_that_is_no_plain_readable_text_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    good, link = folder / "1.0.0.yaml", folder / "link.yaml"
    good.write_text(TEXT, encoding="utf-8")
    assert load_contract(good).name == "orders"
    link.symlink_to(good)
    pipe = folder / "pipe.yaml"
    os.mkfifo(pipe)
    large, latin = folder / "large.yaml", folder / "latin.yaml"
    large.write_text(TEXT + "#" * 300_000, encoding="utf-8")
    latin.write_bytes(TEXT.encode() + b"# \xff\n")
    for path in (link, pipe, large, latin, folder, folder / "absent.yaml"):
        with pytest.raises(ContractsInvalid):
            load_contract(path)


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[Any, ...]] = []


def _walk(value: Any, place: tuple[Any, ...]) -> None:
    PLACES.append(place)
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        _walk(part, (*place, key))


_walk(TREE, ())


def outcome(text: str) -> Contract | None:
    """The contract, used as it is when it serves, or None where it is refused. Any other exception fails the test."""
    try:
        contract = parse_contract(text, PATH, named=False)
    except ContractsInvalid as refusal:
        if not refusal.faults:
            raise AssertionError("a refusal without a fault") from refusal
        return None
    assert contract.ref.digest
    input_schema(contract)
    lint(contract)
    schemas = [claim.schema for claim in contract.claims.values()]
    for spec in contract.request.resources.values() if contract.request else ():
        schemas += spec.properties.values()
    for schema in schemas:
        conforms(schema, "x")
        conforms(schema, 0.5)
    return contract


ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.0, 0.5, 5e-324, 2**53 - 1, 2**53, -(2**53), 10**30, 1e300),
    *(float("nan"), float("inf"), "", "x", "(", "\0", "\ud800", "string", "9" * 400),
    *(
        [],
        {},
        [[]],
        [{}],
        [None],
        [True, 1],
        [1, 1.0],
        [float("nan")],
        ["a", "a"],
        {"a": None},
        {"": {"type": "string"}},
    ),
]
KEYWORDS: dict[str, dict[str, Any]] = {
    **{name: {"type": "string"} for name in ("type", "enum", "const", "description", "pattern", "format")},
    **{name: {"type": "string"} for name in ("minLength", "maxLength")},
    **{name: {"type": "integer"} for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")},
    "multipleOf": {"type": "number"},
    **{
        name: {"type": "array", "items": {"type": "string"}, "maxItems": 3}
        for name in ("items", "minItems", "maxItems", "uniqueItems")
    },
    **{
        name: {"type": "object", "properties": {"a": {"type": "string"}}}
        for name in ("properties", "required", "additionalProperties")
    },
}


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_any_value_of_a_keyword_loads_or_is_refused(keyword: str) -> None:
    for value in ODD:
        outcome(changed("claims/tenant/schema", {**KEYWORDS[keyword], keyword: value}))


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "open bounds crossed": ({"type": "number", "exclusiveMinimum": 5, "exclusiveMaximum": 2}, "exclusiveMinimum"),
    "open bounds that meet": ({"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 2}, "exclusiveMinimum"),
    "open below closed": ({"type": "integer", "exclusiveMinimum": 5, "maximum": 5}, "exclusiveMinimum"),
    "closed below open": ({"type": "integer", "minimum": 5, "exclusiveMaximum": 5}, "minimum"),
    "number among texts": ({"type": "string", "enum": ["a", 1]}, "enum"),
    "boolean among integers": ({"type": "integer", "enum": [1, True]}, "enum"),
    "fraction among integers": ({"type": "integer", "enum": [1.5]}, "enum"),
    "number for a boolean": ({"type": "boolean", "const": 1}, "const"),
    "text for an object": ({"type": "object", "properties": {"a": {"type": "string"}}, "const": "a"}, "const"),
    "name with a blank": ({"type": "object", "properties": {"a b": {"type": "string"}}}, "properties"),
    "null for a type": ({"type": None, "enum": ["a"]}, "type"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_schema_that_no_value_can_meet_is_refused(name: str) -> None:
    schema, keyword = CONTRADICTIONS[name]
    refusal = refusal_of(changed("claims/clearance/schema", schema))
    assert f"claims.clearance.schema.{keyword}" in [fault.path for fault in refusal.faults]


def test_number_is_read_as_in_json() -> None:
    for text, value in (("5", 5), ("-0", 0), ("1e1", 10.0), ("2.5E+0", 2.5), ("5e-324", 5e-324)):
        contract = outcome(TEXT.replace("maximum: 5", f"maximum: {text}", 1))
        assert contract is not None
        assert contract.claims["clearance"].schema["maximum"] == value
    assert outcome(TEXT.replace("maximum: 5", 'maximum: "1e1"', 1)) is None


def test_near_misses_of_contradictions_load() -> None:
    for schema in (
        {"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 5},
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": "integer", "enum": [1.0, 2]},
        {"type": "number", "enum": [1, 1.5]},
        {"type": "boolean", "const": True},
        {"enum": [1, True, "1"]},
    ):
        assert outcome(changed("claims/clearance/schema", schema)) is not None, schema


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    assert outcome(text) is None


@given(TREES)
@example(None)
@example({1: 2})
@example(float("nan"))
def test_any_tree_is_refused(tree: Any) -> None:
    assert outcome(yaml.safe_dump(tree)) is None


@settings(max_examples=100, deadline=None)
@given(place=st.sampled_from([place for place in PLACES if place]), value=TREES, drop=st.booleans())
@example(place=("claims", "email", "schema", "format"), value=[], drop=False)
@example(place=("claims", "email", "schema", "format"), value={}, drop=False)
@example(place=("claims", "tenant", "schema", "type"), value=None, drop=False)
@example(place=("claims", "tenant", "schema", "type"), value=[], drop=False)
@example(place=("claims", "roles", "schema", "items", "enum"), value=[[]], drop=False)
@example(place=("claims", "roles", "schema", "items", "enum"), value=[2**53], drop=False)
@example(place=("claims", "roles", "schema", "items", "enum"), value=["\ud800"], drop=False)
@example(place=("claims", "clearance", "schema", "maximum"), value=2**53, drop=False)
@example(place=("claims", "clearance", "schema", "maximum"), value=float("nan"), drop=False)
@example(place=("claims", "clearance", "schema"), value={"type": "integer", "multipleOf": "x"}, drop=False)
@example(place=("claims", "clearance", "schema"), value={"type": "integer", "multipleOf": None}, drop=False)
@example(place=("claims", "roles", "schema", "maxItems"), value={}, drop=False)
@example(place=("policy", "package"), value=[], drop=False)
@example(place=("tokens", "access_token", "algorithms"), value=[[]], drop=False)
@example(place=("removed",), value=[{}], drop=False)
@example(place=("request", "resources"), value={"order": None}, drop=False)
@example(place=("request", "resources", "order", "properties"), value={"a": []}, drop=False)
def test_any_change_of_a_good_document_loads_or_is_refused(place: tuple[Any, ...], value: Any, drop: bool) -> None:
    tree = copy.deepcopy(TREE)
    part: Any = tree
    for key in place[:-1]:
        part = part[key]
    if drop:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    text = yaml.safe_dump(tree)
    contract = outcome(text)
    if contract is not None:
        again = outcome(yaml.safe_dump(yaml.safe_load(text), sort_keys=False))
        assert again is not None
        assert again.ref.digest == contract.ref.digest
        assert contract.claims
        assert contract.profile.algorithms
