"""A claim that a policy reads in an unusual way is read all the same: what is overlooked would be `proved` wrongly.

Each rule grants by one claim. The change adds a value to it that the rule grants, or, for a list, allows an order.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, parse_contract
from entitlements.proof import PROVED, REFUTED, Side, compare_access

BASE: dict[str, Any] = {
    "contract": "shop",
    "version": "1.0.0",
    "issuer": "https://login.example.com",
    "audience": "https://shop.example.com",
    "policy": {"package": "shop.authz", "rule": "allow"},
    "tokens": {"access_token": {"profile": "rfc9068", "algorithms": ["ES256"], "max_lifetime": 600}},
    "claims": {
        "role": {"required": True, "schema": {"enum": ["user", "guest"]}},
        "roles": {
            "required": True,
            "schema": {
                "type": "array",
                "items": {"enum": ["guest", "user"]},
                "minItems": 2,
                "maxItems": 2,
                "uniqueItems": True,
            },
        },
    },
    "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
}
READS = {
    "reference": 'allow if input.subject.claims.role == "x"',
    "brackets": 'allow if input["subject"]["claims"]["role"] == "x"',
    "computed member": 'name := "role"\n\nallow if input.subject.claims[name] == "x"',
    "any member": 'allow if input.subject.claims[_] == "x"',
    "import": 'import input.subject.claims as held\n\nallow if held.role == "x"',
    "alias of an alias": 's := input.subject\n\nc := s.claims\n\nallow if c.role == "x"',
    "function": 'is_x(value) if value == "x"\n\nallow if is_x(input.subject.claims.role)',
    "function of the whole input": 'is_x(value) if value.subject.claims.role == "x"\n\nallow if is_x(input)',
    "object.get": 'allow if object.get(input.subject.claims, "role", "") == "x"',
    "object.get by path": 'allow if object.get(input, ["subject", "claims", "role"], "") == "x"',
    "walk": 'allow if {\n\twalk(input, [path, value])\n\tpath[minus(count(path), 1)] == "role"\n\tvalue == "x"\n}',
    "comprehension as the head of a reference": 'allow if [r | r := input.subject.claims.role][0] == "x"',
    "set comprehension": 'allow if "x" in {r | r := input.subject.claims.role}',
    "key of an object": 'allow if {input.subject.claims.role: 1}["x"] == 1',
    "key of a rule": "held[input.subject.claims.role] := true\n\nallow if held.x",
    "deeper key of a rule": "held[input.subject.claims.role].on := true\n\nallow if held.x.on",
    "item of a set": 'held contains input.subject.claims.role\n\nallow if "x" in held',
    "lookup in a constant": 'grants := {"x": true}\n\nallow if grants[input.subject.claims.role]',
    "with": 'allow if held with input as {"role": input.subject.claims.role}\n\nheld if input.role == "x"',
    "else": 'held := 0 if {\n\tinput.subject.claims.role == "user"\n} else := 1 if {\n'
    '\tinput.subject.claims.role == "x"\n}\n\nallow if held == 1',
    "every": 'others if every value in input.subject.claims {\n\tvalue != "x"\n}\n\nallow if not others',
    "template": 'allow if sprintf("%v", [input.subject.claims.role]) == "x"',
    "json": 'allow if contains(json.marshal(input), `"role":"x"`)',
    "union": 'allow if object.union({}, input.subject.claims).role == "x"',
    "negation": 'other if input.subject.claims.role in {"user", "guest"}\n\nallow if not other',
}
ORDERS = {
    "index": 'allow if input.subject.claims.roles[0] == "user"',
    "some with index": 'allow if {\n\tsome i, role in input.subject.claims.roles\n\ti == 0\n\trole == "user"\n}',
    "membership with index": 'allow if 0, "user" in input.subject.claims.roles',
    "slice": 'allow if "user" in array.slice(input.subject.claims.roles, 0, 1)',
    "whole list among lists": 'allow if input.subject.claims.roles in {["user", "guest"]}',
    "equal lists": 'allow if input.subject.claims.roles == ["user", "guest"]',
    "comprehension": 'allow if [role | some role in input.subject.claims.roles][0] == "user"',
    "joined": 'allow if concat(",", input.subject.claims.roles) == "user,guest"',
    "alias": 'held := input.subject.claims.roles\n\nallow if held[0] == "user"',
}


def contract(**changes: Any) -> Contract:
    document = copy.deepcopy(BASE)
    document["claims"].update(changes)
    return parse_contract(yaml.safe_dump(document), Path("shop.yaml"), named=False)


def policy(folder: Path, text: str) -> Path:
    place = folder / "shop" / "authz"
    place.mkdir(parents=True)
    default = "" if "default allow" in text else "default allow := false\n\n"
    head, _, rest = text.partition("\n\n") if text.startswith("import") else ("", "", text)
    (place / "authz.rego").write_text("\n\n".join(filter(None, ["package shop.authz", head, default + rest])) + "\n")
    return folder


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_a_value_that_a_rule_grants_is_found_however_it_is_read(text: str, opa: Path, tmp_path: Path) -> None:
    folder = policy(tmp_path, text)
    old = contract()
    new = contract(role={"required": True, "schema": {"enum": ["user", "guest", "x"]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].point.after.claims["role"] == "x"


@pytest.mark.parametrize("text", ORDERS.values(), ids=ORDERS)
def test_an_order_that_a_rule_grants_is_found(text: str, opa: Path, tmp_path: Path) -> None:
    never = policy(tmp_path / "never", "never := input.subject.claims.roles\n\nallow if count(never) > 5")
    now = policy(tmp_path / "now", text)
    one = contract()
    answer = compare_access(
        Side(one, never, one.decision_path), Side(one, now, one.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].point.after.claims["roles"] == ["user", "guest"]


def test_where_only_membership_is_asked_one_order_stands_for_all(opa: Path, tmp_path: Path) -> None:
    """The near miss: nothing but `in` is asked, so the other order need not be tried for a proof."""
    folder = policy(tmp_path, 'allow if {\n\t"user" in input.subject.claims.roles\n\tnot input.subject.claims.role\n}')
    old = contract()
    new = contract(role={"required": True, "schema": {"enum": ["user", "guest", "x"]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == PROVED


def test_a_number_that_becomes_a_boolean_is_a_change(opa: Path, tmp_path: Path) -> None:
    """To Python `1` and `true` are equal, and so would be the two contracts."""
    folder = policy(tmp_path, "allow if input.subject.claims.flag == true")
    old = contract(flag={"required": True, "schema": {"enum": [0, 1]}})
    new = contract(flag={"required": True, "schema": {"enum": [0, True]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].changed == ("flag",)
