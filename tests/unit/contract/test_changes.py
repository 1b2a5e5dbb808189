"""Every change rule has a fixture that gives it, and its mirror gives the mirrored rule."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.contract import RULES, Contract, changes, load_contract

ROOT = Path(__file__).resolve().parents[3]
Edit = Callable[[dict[str, Any]], object]
MAP: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^a"},
    "additionalProperties": {"enum": ["u", "v"]},
    "maxProperties": 2,
}
BASE: dict[str, Any] = {
    "contract": "shop",
    "version": "1.0.0",
    "issuer": "https://login.example.com",
    "audience": "https://shop.example.com",
    "policy": {"package": "shop.authz", "rule": "decision"},
    "tokens": {"access_token": {"profile": "rfc9068", "algorithms": ["ES256", "EdDSA"], "max_lifetime": 600}},
    "undeclared_claims": "reject",
    "claims": {
        "tier": {"required": True, "schema": {"enum": ["free", "gold"]}},
        "level": {"schema": {"type": "integer", "minimum": 0, "maximum": 5}},
        "unit": {"schema": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"}},
        "label": {"schema": {"type": "string"}},
        "roles": {"schema": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2}},
        "price": {"schema": {"type": "number", "multipleOf": 1}},
        "mail": {"sensitivity": "pii", "schema": {"type": "string", "format": "email"}},
        "org": {
            "schema": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "kind": {"enum": ["x", "z"]}},
                "required": ["id"],
            }
        },
        "bound": {"schema": {"type": "boolean"}},
        "map": {"schema": MAP},
        "tags": {
            "ignore_items": ["own"],
            "schema": {"type": "array", "items": {"enum": ["t"]}, "maxItems": 1},
        },
        "act": {
            "schema": {"type": "object", "properties": {"sub": {"type": "string"}}, "required": ["sub"]},
        },
    },
    "scopes": {
        "read": {"claims": ["bound"]},
        "write": {"claims": ["bound"]},
        "other": {"claims": []},
    },
    "removed": ["old_name"],
    "consumers": [
        {"name": "api", "kind": "first-party", "relies_on": ["tier"]},
        {"name": "partner", "kind": "third-party", "relies_on": [], "strict": True},
    ],
    "request": {
        "actions": ["read", "write"],
        "resources": {"item": {"properties": {"size": {"type": "integer", "minimum": 0, "maximum": 9}}}},
        "context": {"properties": {}},
    },
}


def claim(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: document["claims"][name]


def put(place: str, value: object) -> Edit:
    """An edit that sets (or, with None, deletes) a member at a dotted place."""
    *path, last = place.split(".")

    def edit(document: dict[str, Any]) -> None:
        target = document
        for part in path:
            target = target[part]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return edit


# Edits of the base contract and the rules that they must give, besides the version number and the consumers.
FIXTURES: list[tuple[str, Edit, set[str]]] = [
    (
        "a claim goes, with a tombstone",
        lambda d: (d["claims"].pop("label"), d["removed"].append("label")),
        {"claim_removed"},
    ),
    ("a claim goes", put("claims.label", None), {"claim_removed", "claim_removed_without_tombstone"}),
    ("a claim comes", put("claims.extra", {"schema": {"type": "boolean"}}), {"claim_added", "strict_consumer_broken"}),
    (
        "a claim is renamed",
        lambda d: (
            d["claims"].pop("label"),
            d["claims"].update(title={"schema": {"type": "string"}, "renamed_from": "label"}),
        ),
        {"claim_renamed"},
    ),
    (
        "a name is given to another claim",
        lambda d: (
            d["claims"].pop("label"),
            d["claims"].update(unit={"schema": {"type": "string"}, "renamed_from": "label"}),
        ),
        {"claim_renamed", "claim_replaced"},
    ),
    ("a number becomes a boolean", put("claims.level.schema", {"enum": [True]}), {"claim_retyped"}),
    ("a claim is retyped", put("claims.level.schema", {"type": "string"}), {"claim_retyped"}),
    ("whole numbers become numbers", put("claims.level.schema.type", "number"), {"claim_retyped"}),
    ("a list becomes a text", put("claims.roles.schema", {"enum": ["a", "b"]}), {"claim_cardinality_changed"}),
    ("a value comes", put("claims.tier.schema.enum", ["free", "gold", "trial"]), {"enum_value_added"}),
    ("a value goes", put("claims.tier.schema.enum", ["free"]), {"enum_value_removed"}),
    ("an item value comes", put("claims.roles.schema.items.enum", ["a", "b", "c"]), {"enum_value_added"}),
    ("an item value goes", put("claims.roles.schema.items.enum", ["a"]), {"enum_value_removed"}),
    ("a vocabulary opens", put("claims.tier.schema", {"type": "string"}), {"enum_value_added"}),
    ("a vocabulary closes", put("claims.label.schema", {"type": "string", "enum": ["x"]}), {"enum_value_removed"}),
    ("the maximum rises", put("claims.level.schema.maximum", 6), {"range_relaxed"}),
    ("the maximum falls", put("claims.level.schema.maximum", 4), {"range_tightened"}),
    ("the minimum rises", put("claims.level.schema.minimum", 1), {"range_tightened"}),
    ("the minimum goes", put("claims.level.schema.minimum", None), {"range_relaxed"}),
    ("a text may be longer", put("claims.unit.schema.maxLength", 9), {"length_relaxed"}),
    ("a text must be longer", put("claims.unit.schema.minLength", 3), {"length_tightened"}),
    ("a pattern goes", put("claims.unit.schema.pattern", None), {"pattern_relaxed"}),
    ("a pattern comes", put("claims.label.schema.pattern", "^x"), {"pattern_tightened"}),
    ("a pattern is another", put("claims.unit.schema.pattern", "^[A-Z]+$"), {"pattern_changed"}),
    ("a format is another", put("claims.mail.schema.format", "uri"), {"format_changed"}),
    ("a step is another", put("claims.price.schema.multipleOf", 0.5), {"step_changed"}),
    ("a list may be longer", put("claims.roles.schema.maxItems", 3), {"list_relaxed"}),
    ("a list may repeat", put("claims.roles.schema.uniqueItems", False), {"list_relaxed"}),
    ("a list must be shorter", put("claims.roles.schema.maxItems", 1), {"list_tightened"}),
    ("a claim may be absent", put("claims.tier.required", False), {"claim_made_optional"}),
    ("a claim must be there", put("claims.level.required", True), {"claim_made_required"}),
    ("a claim is read elsewhere", put("claims.label.source", ["ext", "label"]), {"source_changed"}),
    ("a claim's own name is its source", put("claims.label.source", ["label"]), set()),
    ("a list is read as a set", put("claims.roles.as", "set"), {"source_changed"}),
    ("an absent list is empty", put("claims.roles.absent", "empty"), {"source_changed"}),
    ("a claim may stand elsewhere", put("claims.roles.overage", ["hasgroups"]), {"source_changed"}),
    ("an item is ignored", put("claims.roles.ignore_items", ["own", "other"]), {"ignored_item_added"}),
    (
        "another item is ignored",
        put("claims.tags.ignore_items", ["other"]),
        {"ignored_item_added", "ignored_item_removed"},
    ),
    (
        "a claim is renamed and read as before",
        lambda d: (
            d["claims"].pop("label"),
            d["claims"].update(title={"schema": {"type": "string"}, "renamed_from": "label", "source": ["label"]}),
        ),
        {"claim_renamed"},
    ),
    ("a claim may be null", put("claims.level.schema.type", ["integer", "null"]), {"claim_retyped"}),
    ("an object becomes a map", put("claims.org.schema", MAP), {"claim_retyped"}),
    ("names of a map are others", put("claims.map.schema.propertyNames.pattern", "^b"), {"pattern_changed"}),
    ("a map may be larger", put("claims.map.schema.maxProperties", 3), {"list_relaxed"}),
    ("a map must be smaller", put("claims.map.schema.maxProperties", 1), {"list_tightened"}),
    ("a value of a map goes", put("claims.map.schema.additionalProperties.enum", ["v"]), {"enum_value_removed"}),
    (
        "a value of a map comes",
        put("claims.map.schema.additionalProperties.enum", ["u", "v", "w"]),
        {"enum_value_added"},
    ),
    ("a property goes", put("claims.org.schema.properties.kind", None), {"property_removed"}),
    ("a property comes", put("claims.org.schema.properties.more", {"type": "string"}), {"property_added"}),
    ("a property may be absent", put("claims.org.schema.required", []), {"property_made_optional"}),
    ("a property must be there", put("claims.org.schema.required", ["id", "kind"]), {"property_made_required"}),
    ("a property's value goes", put("claims.org.schema.properties.kind.enum", ["x"]), {"enum_value_removed"}),
    ("a scope comes", put("scopes.admin", {"claims": []}), {"scope_added"}),
    ("a scope goes", put("scopes.other", None), {"scope_removed"}),
    ("a scope releases a claim", put("scopes.other.claims", ["bound"]), {"scope_releases_claim"}),
    ("a scope withholds a claim", put("scopes.write.claims", []), {"scope_withholds_claim"}),
    (
        "a claim is bound no more",
        lambda d: (put("scopes.read.claims", [])(d), put("scopes.write.claims", [])(d)),
        {"claim_unbound"},
    ),
    ("a claim is bound", put("scopes.other.claims", ["label"]), {"claim_bound"}),
    ("the actor moves to its place", put("claims.act.actor", True), {"claim_moved"}),
    ("a kind of token comes", put("claims.label.tokens", ["access_token", "id_token"]), {"token_kind_added"}),
    ("a kind of token goes", put("claims.label.tokens", ["id_token"]), {"token_kind_added", "token_kind_removed"}),
    ("values may be shown", put("claims.mail.sensitivity", "internal"), {"sensitivity_lowered"}),
    ("values may not be shown", put("claims.mail.sensitivity", "secret"), {"sensitivity_raised"}),
    ("an algorithm comes", put("tokens.access_token.algorithms", ["ES256", "EdDSA", "RS256"]), {"algorithm_added"}),
    ("an algorithm goes", put("tokens.access_token.algorithms", ["ES256"]), {"algorithm_removed"}),
    ("opaque tokens are permitted", put("tokens.access_token.opaque", {}), {"opaque_tokens_added"}),
    (
        "all tokens are introspected",
        put("tokens.access_token.opaque", {"jwt": "introspect"}),
        {"opaque_tokens_added", "token_profile_changed"},
    ),
    ("tokens live longer", put("tokens.access_token.max_lifetime", 601), {"lifetime_raised"}),
    ("tokens live shorter", put("tokens.access_token.max_lifetime", 599), {"lifetime_lowered"}),
    (
        "bound tokens may be used",
        put("tokens.access_token.sender_constrained", "permitted"),
        {"sender_constraint_relaxed"},
    ),
    (
        "bound tokens have to be used",
        put("tokens.access_token.sender_constrained", "required"),
        {"sender_constraint_relaxed", "sender_constraint_tightened"},
    ),
    ("undeclared claims are ignored", put("undeclared_claims", "ignore"), {"undeclared_relaxed"}),
    ("a tombstone goes", put("removed", []), {"tombstone_dropped"}),
    ("a tombstone comes", put("removed", ["old_name", "never"]), {"tombstone_added"}),
    (
        "a removed name comes back",
        lambda d: (put("removed", [])(d), put("claims.old_name", {"schema": {"type": "string"}})(d)),
        {"tombstone_reused", "claim_added", "strict_consumer_broken"},
    ),
    ("an action comes", put("request.actions", ["read", "write", "erase"]), {"request_relaxed"}),
    ("an action goes", put("request.actions", ["read"]), {"request_tightened"}),
    ("requests are typed no more", put("request", None), {"request_relaxed"}),
    ("a property's range grows", put("request.resources.item.properties.size.maximum", 10), {"request_relaxed"}),
    ("a consumer comes", lambda d: d["consumers"].append({"name": "new", "kind": "first-party"}), {"consumer_added"}),
    ("a consumer goes", lambda d: d["consumers"].pop(0), {"consumer_removed"}),
    ("another issuer", put("issuer", "https://other.example.com"), {"issuer_changed"}),
    ("another audience", put("audience", "https://other.example.com"), {"audience_changed"}),
    ("another rule decides", put("policy.rule", "allow"), {"decision_rule_changed"}),
    (
        "the decision is read elsewhere",
        lambda d: d["policy"].update(answer={"allow": ["allowed"]}),
        {"decision_answer_changed"},
    ),
]
ALWAYS = {"version_too_small", "consumer_affected"}


def contract(document: dict[str, Any], folder: Path) -> Contract:
    file = folder / f"{document['version']}-{len(list(folder.iterdir()))}.yaml"
    file.write_text(yaml.safe_dump(document))
    return load_contract(file, named=False)


def edited(edit: Edit, version: str = "2.0.0") -> dict[str, Any]:
    document = copy.deepcopy(BASE)
    document["version"] = version
    edit(document)
    return document


def rules(old: Contract, new: Contract) -> set[str]:
    return {change.rule for change in changes(old, new)}


@pytest.mark.parametrize(("edit", "wanted"), [f[1:] for f in FIXTURES], ids=[f[0] for f in FIXTURES])
def test_an_edit_gives_exactly_its_rules(edit: Edit, wanted: set[str], tmp_path: Path) -> None:
    found = rules(contract(BASE, tmp_path), contract(edited(edit), tmp_path))
    assert found - ALWAYS == wanted


# What is found in one direction only, with the reason; `claim_renamed` is reported both ways as what it is there.
ONE_WAY = {
    "claim_removed_without_tombstone": "a name that comes back needs no tombstone",
    "strict_consumer_broken": "a strict consumer breaks on more, not on less",
    "tombstone_reused": "a claim that goes is `claim_removed`",
    "tombstone_added": "the tombstone of a claim that goes is told with the claim",
    "tombstone_dropped": "that of a claim that comes back is told as reused",
}


@pytest.mark.parametrize("edit", [f[1] for f in FIXTURES], ids=[f[0] for f in FIXTURES])
def test_the_reverse_of_an_edit_gives_the_mirrored_rules(edit: Edit, tmp_path: Path) -> None:
    base, other = contract(BASE, tmp_path), contract(edited(edit), tmp_path)
    there, back = rules(base, other) - ALWAYS, rules(other, base) - ALWAYS
    if "claim_replaced" in there:
        # The way back is a claim that comes, and one that changes under its name.
        return
    if "claim_renamed" in there:
        # Only the new version declares the link, so the way back is a claim that goes and one that comes.
        there, back = there - {"claim_renamed"}, back - {"claim_removed", "claim_added"}
    assert {RULES[rule].mirror for rule in there - ONE_WAY.keys()} == back - ONE_WAY.keys()


OPPOSITES = {
    "added": "removed",
    "relaxed": "tightened",
    "optional": "required",
    "raised": "lowered",
    "releases": "withholds",
    "unbound": "bound",
    "dropped": "added",
}
# Rules that are their own mirror, each with its reason.
OWN_MIRROR = {
    "claim_renamed": "a name for a name",
    "claim_replaced": "a claim for a claim",
    "claim_moved": "a place for a place",
    "claim_retyped": "a type for a type",
    "claim_cardinality_changed": "one for many, or many for one",
    "pattern_changed": "which of two patterns permits more is not decided",
    "format_changed": "formats do not contain one another",
    "step_changed": "steps need not divide one another",
    "source_changed": "a place for a place",
    "time_zone_changed": "a zone for a zone",
    "issuer_changed": "one for one",
    "audience_changed": "one for one",
    "token_profile_changed": "one for one",
    "decision_rule_changed": "one for one",
    "decision_answer_changed": "one for one",
    "tombstone_reused": "the way back removes the claim",
    "claim_removed_without_tombstone": "says what is missing",
    "consumer_affected": "says whom a change touches",
    "strict_consumer_broken": "says whom a change touches",
    "version_too_small": "is about the number",
}


def test_what_adds_has_what_removes_and_what_relaxes_has_what_tightens() -> None:
    opposites = {**OPPOSITES, **{other: one for one, other in OPPOSITES.items() if one != "dropped"}}
    for rule in RULES.values():
        if rule.mirror == rule.id:
            assert rule.id in OWN_MIRROR, rule.id
            continue
        pairs = {(one, opposites[one]) for one in rule.id.split("_") if one in opposites} | {
            ("added", "dropped") for one in rule.id.split("_") if one == "added"
        }
        assert any(rule.mirror == rule.id.replace(one, other) for one, other in pairs), rule.id


def test_no_rule_is_excused_from_a_mirror_that_it_has() -> None:
    assert {rule.id for rule in RULES.values() if rule.mirror == rule.id} == OWN_MIRROR.keys()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_mirror_mirrors_back(rule: Any) -> None:
    assert RULES[RULES[rule.mirror].mirror] == rule


def test_every_rule_has_a_heading_in_the_documentation() -> None:
    page = (ROOT / "docs" / "contract-rules.md").read_text()
    assert len(re.findall(r"^### ", page, re.M)) == len(RULES)
    assert set(re.findall(r"^### `(\w+)`", page, re.M)) == set(RULES)
    for rule in RULES.values():
        section = page.partition(f"### `{rule.id}`")[2].partition("\n### ")[0]
        assert rule.purpose in section.replace("\n", " ")
        words = f"Compatibility: {rule.compatibility}. Access: {rule.access}. Mirror: `{rule.mirror}`."
        assert words in section


def test_a_contract_beside_itself_gives_nothing(tmp_path: Path) -> None:
    assert changes(contract(BASE, tmp_path), contract(BASE, tmp_path)) == ()


@pytest.mark.parametrize(
    ("edit", "version", "small"),
    [
        (put("claims.tier.schema.enum", ["free"]), "1.1.0", True),
        (put("claims.tier.schema.enum", ["free"]), "2.0.0", False),
        (put("claims.tier.schema.enum", ["free", "gold", "x"]), "1.0.1", True),
        (put("claims.tier.schema.enum", ["free", "gold", "x"]), "1.1.0", False),
        (put("scopes.admin", {"claims": []}), "1.0.0", True),
        (put("scopes.admin", {"claims": []}), "0.9.0", True),
        (lambda d: d["consumers"].append({"name": "new", "kind": "first-party"}), "1.0.1", False),
        (lambda d: None, "1.0.1", False),
    ],
)
def test_the_version_number_has_to_say_as_much_as_the_change(
    edit: Edit, version: str, small: bool, tmp_path: Path
) -> None:
    found = rules(contract(BASE, tmp_path), contract(edited(edit, version), tmp_path))
    assert ("version_too_small" in found) is small


def test_a_consumer_is_told_of_a_claim_that_it_relies_on_and_of_no_other(tmp_path: Path) -> None:
    base = contract(BASE, tmp_path)
    touched = changes(base, contract(edited(put("claims.tier.schema.enum", ["free"])), tmp_path))
    assert [change.new for change in touched if change.rule == "consumer_affected"] == ["api"]
    other = changes(base, contract(edited(put("claims.level.schema.maximum", 4)), tmp_path))
    assert not [change for change in other if change.rule == "consumer_affected"]


def consumers_of(found: tuple[Any, ...], rule: str) -> list[tuple[str, object]]:
    return [(change.claim, change.new) for change in found if change.rule == rule]


PORTAL = {"name": "portal", "kind": "third-party", "tokens": ["id_token"], "relies_on": ["mail"], "strict": True}


def with_portal(kinds: list[str], edit: Edit = lambda _: None) -> dict[str, Any]:
    """The base with a client that reads ID tokens, where `mail` stands in these kinds of token."""

    def both(document: dict[str, Any]) -> None:
        document["consumers"].append(dict(PORTAL))
        put("claims.mail.tokens", kinds)(document)
        edit(document)

    return edited(both, "2.0.0")


def test_a_client_that_reads_id_tokens_is_told_of_a_claim_that_leaves_them(tmp_path: Path) -> None:
    base = contract(with_portal(["access_token", "id_token"]), tmp_path)
    gone = changes(base, contract(with_portal(["access_token"]), tmp_path))
    assert consumers_of(gone, "consumer_affected") == [("mail", "portal")]


def test_a_client_that_reads_id_tokens_is_not_told_what_happens_in_access_tokens(tmp_path: Path) -> None:
    base = contract(with_portal(["access_token", "id_token"]), tmp_path)
    gone = changes(base, contract(with_portal(["id_token"]), tmp_path))
    assert "token_kind_removed" in {change.rule for change in gone}
    assert consumers_of(gone, "consumer_affected") == []


def test_a_claim_that_changes_in_every_kind_of_token_touches_whoever_reads_one_of_them(tmp_path: Path) -> None:
    base = contract(with_portal(["access_token", "id_token"]), tmp_path)
    kinds = ["access_token", "id_token"]
    retyped = contract(with_portal(kinds, put("claims.mail.schema", {"type": "boolean"})), tmp_path)
    assert ("mail", "portal") in consumers_of(changes(base, retyped), "consumer_affected")


def test_a_strict_client_breaks_on_claims_that_come_into_the_tokens_that_it_reads_alone(tmp_path: Path) -> None:
    base = contract(with_portal(["id_token"]), tmp_path)
    label = put("claims.label.tokens", ["access_token", "id_token"])
    appeared = changes(base, contract(with_portal(["id_token"], label), tmp_path))
    assert ("label", "portal") in consumers_of(appeared, "strict_consumer_broken")
    elsewhere = put("claims.extra", {"schema": {"type": "boolean"}})
    added = changes(base, contract(with_portal(["id_token"], elsewhere), tmp_path))
    assert ("extra", "portal") not in consumers_of(added, "strict_consumer_broken")
    assert ("extra", "partner") in consumers_of(added, "strict_consumer_broken")


def test_kinds_of_token_of_a_consumer_belong_to_the_digest_only_where_they_are_said(tmp_path: Path) -> None:
    said = contract(with_portal(["id_token"]), tmp_path)
    (portal,) = [one for one in said.canonical["consumers"] if one["name"] == "portal"]  # type: ignore[union-attr,index,call-overload]
    assert portal["tokens"] == ["id_token"]  # type: ignore[index,call-overload]
    assert not [one for one in contract(BASE, tmp_path).canonical["consumers"] if "tokens" in one]  # type: ignore[union-attr,operator]


def test_a_fingerprint_is_of_the_meaning_and_of_the_step(tmp_path: Path) -> None:
    base = contract(BASE, tmp_path)

    def mark(document: dict[str, Any], new: str = "2.0.0") -> str:
        (change,) = [c for c in changes(base, contract(document, tmp_path)) if c.rule == "enum_value_removed"]
        return change.fingerprint("shop", "1.0.0", new)

    document = edited(put("claims.tier.schema.enum", ["free"]))
    assert mark(document) == mark(
        edited(lambda d: (put("claims.tier.schema.enum", ["free"])(d), d.update(description="x")))
    )
    assert mark(document) != mark(edited(put("claims.tier.schema.enum", ["gold"])))
    assert mark(document) != mark(document, "3.0.0")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(FIXTURES) - 1), min_size=1, max_size=4, unique=True))
def test_edits_together_give_at_least_one_finding_and_never_fail(tmp_path_factory: Any, chosen: list[int]) -> None:
    folder = tmp_path_factory.mktemp("changes")
    document = copy.deepcopy(BASE)
    document["version"] = "2.0.0"
    applied = False
    for index in chosen:
        trial = copy.deepcopy(document)
        try:
            FIXTURES[index][1](trial)
            contract(trial, folder)
        except Exception:
            continue
        document, applied = trial, True
    base = contract(BASE, folder)
    other = contract(document, folder)
    assert bool(changes(base, other)) == (applied and base.canonical != {**other.canonical, "version": "1.0.0"})
