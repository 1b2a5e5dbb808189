"""Seventeen ways to write a rule beside sixteen changes of claims: every widening is found, every safe cell is silent.

The wanted answers were worked out by hand from the migration table and from OPA's semantics, cell by cell.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, load_contract
from entitlements.engine import Opa, find_opa
from entitlements.proof import PROVED, REFUTED, Effort, Side, compare_access
from tests.shop import SHOP

ROOT = Path(__file__).resolve().parents[3]
BASE: dict[str, Any] = {
    **SHOP,
    "claims": {
        "roles": {
            "required": True,
            "schema": {
                "type": "array",
                "items": {"enum": ["viewer", "admin", "contractor"]},
                "minItems": 1,
                "maxItems": 2,
                "uniqueItems": True,
            },
        },
        "suspended": {"required": True, "schema": {"type": "boolean"}},
        "tier": {"required": True, "schema": {"enum": ["free", "gold"]}},
        "tenant": {"required": True, "schema": {"enum": ["t_1", "t_2"]}},
        "level": {"required": True, "schema": {"type": "integer", "minimum": 0, "maximum": 3}},
    },
    "request": {
        "actions": ["read"],
        "resources": {"item": {"properties": {"tenant": {"enum": ["t_1", "t_2"]}}}},
        "context": {"properties": {}},
    },
}
IDIOMS = {
    "substring": 'allow if contains(input.subject.claims.roles, "admin")',
    "deny-list": 'allow if not "contractor" in input.subject.claims.roles',
    "iteration": 'allow if input.subject.claims.roles[_] == "admin"',
    "membership": 'allow if "admin" in input.subject.claims.roles',
    "negation": "allow if not input.subject.claims.suspended",
    "negated equality": "allow if not input.subject.claims.suspended == true",
    "inequality of a flag": "allow if input.subject.claims.suspended != true",
    "default allow": "default allow := true\n\nallow := false if input.subject.claims.suspended == true",
    "default of a flag": 'allow if object.get(input.subject.claims, "suspended", false) == false',
    "inequality": 'allow if input.subject.claims.tier != "free"',
    "negated membership": 'allow if not input.subject.claims.tier in {"free"}',
    "prefix": 'allow if startswith(input.subject.claims.tier, "ent")',
    "two defaults": 'allow if object.get(input.subject.claims, "tenant", null) =='
    ' object.get(input.resource.properties, "tenant", null)',
    "every": 'allow if every role in input.subject.claims.roles { role == "viewer" }',
    "order": "allow if input.subject.claims.level >= 3",
    "vocabulary": 'allow if input.subject.claims.tier in {"gold"}',
    "equality of a flag": "allow if input.subject.claims.suspended == false",
}


def schema(claim: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["claims"][claim]["schema"].update(changes)


def put(claim: str, value: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["claims"].update({claim: {"required": True, "schema": value}})


def optional(claim: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["claims"][claim].update(required=False)


def rename(document: dict[str, Any]) -> None:
    document["claims"]["is_suspended"] = document["claims"].pop("suspended")


THREE = ["viewer", "admin", "contractor"]
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "roles: list to text": put("roles", {"enum": ["non-admin", "contractor"]}),
    "roles: list to object": put(
        "roles", {"type": "object", "properties": {"k": {"enum": ["admin"]}}, "required": ["k"]}
    ),
    "roles removed": lambda document: document["claims"].pop("roles"),
    "roles may be empty": schema("roles", minItems=0),
    "roles: value removed": schema("roles", items={"enum": ["viewer", "admin"]}),
    "roles: value added": schema("roles", items={"enum": [*THREE, "owner"]}),
    "suspended removed": lambda document: document["claims"].pop("suspended"),
    "suspended: flag to text": put("suspended", {"enum": ["true", "false"]}),
    "suspended renamed": rename,
    "suspended optional": optional("suspended"),
    "tier: sandbox added": schema("tier", enum=["free", "gold", "sandbox"]),
    "tier: entry added": schema("tier", enum=["free", "gold", "entry"]),
    "tier removed": lambda document: document["claims"].pop("tier"),
    "tier: text to list": put("tier", {"type": "array", "items": {"enum": ["free", "gold"]}, "maxItems": 1}),
    "tenant optional": optional("tenant"),
    "level: number to text": put("level", {"enum": ["0", "3"]}),
}
GONE = {"suspended removed", "suspended renamed", "suspended optional"}
WIDENS: dict[str, set[str]] = {
    # `contains` of a list is an error, so no one was allowed; of a text it finds "non-admin".
    "substring": {"roles: list to text"},
    # A text and an object do not hold the item; a value that was replaced or dropped is gone from the list. Where the
    # claim is absent OPA leaves the negation undefined, because the argument is evaluated before it.
    "deny-list": {
        "roles: list to text",
        "roles: list to object",
        "roles: value removed",
        "roles: value added",
        "roles may be empty",
    },
    # A list that must not be empty and loses its only value gets another one: that may be "admin".
    "iteration": {"roles: list to object", "roles: value removed"},
    "membership": {"roles: list to object", "roles: value removed"},
    "negation": GONE,
    "negated equality": GONE | {"suspended: flag to text"},
    "inequality of a flag": {"suspended: flag to text"},
    "default allow": GONE | {"suspended: flag to text"},
    "default of a flag": GONE,
    "inequality": {"tier: sandbox added", "tier: entry added", "tier: text to list"},
    "negated membership": {"tier: sandbox added", "tier: entry added", "tier: text to list"},
    "prefix": {"tier: entry added"},
    "two defaults": {"tenant optional"},
    # Of an object every value is looked at, and it holds "admin"; a list that loses its other value, or all of
    # them, is all viewers.
    "every": {"roles: value removed", "roles may be empty"},
    # A text is greater than any number.
    "order": {"level: number to text"},
    "vocabulary": set(),
    "equality of a flag": set(),
}


@pytest.fixture(scope="module")
def opa() -> Opa:
    configured = os.environ.get("ENTITLEMENTS_OPA_BIN", "")
    return Opa(find_opa(configured=configured, tools=ROOT / ".tools", search_path=os.environ["PATH"]))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Contract]:
    folder = tmp_path_factory.mktemp("contracts")

    def make(document: dict[str, Any]) -> Contract:
        file = folder / f"{len(list(folder.iterdir()))}.yaml"
        file.write_text(yaml.safe_dump(document))
        return load_contract(file, named=False)

    return make


@pytest.mark.parametrize("idiom", IDIOMS)
def test_every_widening_is_found_and_every_safe_cell_is_silent(
    idiom: str, opa: Opa, load: Callable[[dict[str, Any]], Contract], tmp_path: Path
) -> None:
    policy = tmp_path / "shop" / "authz"
    policy.mkdir(parents=True)
    default = "" if "default allow" in IDIOMS[idiom] else "default allow := false\n\n"
    (policy / "authz.rego").write_text(f"package shop.authz\n\n{default}{IDIOMS[idiom]}\n")
    old = load(BASE)
    found = set()
    for name, edit in CHANGES.items():
        document = copy.deepcopy(BASE)
        document["version"] = "2.0.0"
        edit(document)
        new = load(document)
        sides = Side(old, tmp_path, old.decision_path), Side(new, tmp_path, new.decision_path)
        answer = compare_access(*sides, opa=opa, effort=Effort(budget=4000)).no_new_access
        assert answer.answer in (REFUTED, PROVED), name
        if answer.answer == REFUTED:
            found.add(name)
            assert answer.witnesses
            for witness in answer.witnesses:
                assert witness.changed, name
                assert "authz.rego:" in witness.rule
    assert found == WIDENS[idiom]
