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
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Side, compare_access
from tests.shop import SHOP

BASE: dict[str, Any] = {
    **SHOP,
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
    "alias of the input": 'allow if {\n\ti := input\n\tc := i.subject.claims\n\tc.role == "x"\n}',
    "computed path": 'allow if {\n\tsome a, b\n\tinput.subject[a][b] == "x"\n}',
    "computed from the top": 'allow if {\n\tk := "sub"\n\tinput[concat("", [k, "ject"])].claims.role == "x"\n}',
    "pattern of the whole": 'allow if {\n\t{"subject": s} := object.filter(input, ["subject"])\n'
    '\ts.claims.role == "x"\n}',
    "destructured": 'allow if {\n\tobject.get(input.subject.claims, "role", null) = r\n\tr == "x"\n}',
    "filtered": 'allow if object.filter(input.subject, ["claims"]).claims.role == "x"',
    "patched": 'allow if json.filter(input, ["subject/claims/role"]).subject.claims.role == "x"',
    "walk of a part": 'allow if {\n\twalk(input.subject, [_, value])\n\tvalue == "x"\n}',
    "count": 'allow if {\n\tcount({v | some v in input.subject.claims; v == "x"}) > 0\n}',
    "partial object": 'held[name] := value if some name, value in input.subject.claims\n\nallow if held.role == "x"',
    "partial override": 'held if input.subject.claims.other == "x"\n\n'
    "allow if held with input.subject.claims.other as input.subject.claims.role",
    "data override": "held if data.shop.authz.now == true\n\nnow := false\n\n"
    'allow if held with data.shop.authz.now as input.subject.claims.role == "x"',
    "default function": 'default level(_) := 0\n\nlevel(role) := 1 if role == "x"\n\n'
    "allow if level(input.subject.claims.role) == 1",
    "shadowing argument": 'is_x(input_role) if input_role == "x"\n\nallow if is_x(input.subject.claims.role)',
    "own package by data": 'held := input.subject.claims.role\n\nallow if data.shop.authz.held == "x"',
    "object of all": 'allow if input.subject.claims == object.union(input.subject.claims, {"role": "x"})',
    "regex": 'allow if regex.match("^x$", input.subject.claims.role)',
    "interpolated": 'allow if $"{input.subject.claims.role}!" == "x!"',
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
def test_a_value_that_a_rule_grants_is_found_however_it_is_read(text: str, opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, text)
    old = contract()
    new = contract(role={"required": True, "schema": {"enum": ["user", "guest", "x"]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].scenario.after.claims["role"] == "x"


@pytest.mark.parametrize("text", ORDERS.values(), ids=ORDERS)
def test_an_order_that_a_rule_grants_is_found(text: str, opa: Opa, tmp_path: Path) -> None:
    never = policy(tmp_path / "never", "never := input.subject.claims.roles\n\nallow if count(never) > 5")
    now = policy(tmp_path / "now", text)
    one = contract()
    answer = compare_access(
        Side(one, never, one.decision_path), Side(one, now, one.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].scenario.after.claims["roles"] == ["user", "guest"]


def test_a_rule_that_reads_in_another_package_or_by_data_is_found(opa: Opa, tmp_path: Path) -> None:
    """Each folder decides by a helper elsewhere, or by a document beside the rules."""
    old, new = contract(), contract(role={"required": True, "schema": {"enum": ["user", "guest", "x"]}})
    helpers = {
        "lib": 'package lib.roles\n\nis_x if input.subject.claims.role == "x"\n',
        "dashed": 'package lib["my-roles"]\n\nis_x if input.subject.claims.role == "x"\n',
    }
    calls = {"lib": "data.lib.roles.is_x", "dashed": 'data.lib["my-roles"].is_x'}
    for name, text in helpers.items():
        folder = policy(tmp_path / name, f"allow if {calls[name]}")
        place = folder / "lib" / ("roles" if name == "lib" else "my-roles")
        place.mkdir(parents=True)
        (place / "elsewhere.rego").write_text(text)
        answer = compare_access(
            Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
        ).no_new_access
        assert answer.answer == REFUTED, name


@pytest.mark.parametrize("file", ["data.json", "grants/data.json", "shop/authz/data.yaml"])
def test_a_document_that_grants_more_is_a_change_of_the_policies(file: str, opa: Opa, tmp_path: Path) -> None:
    place = {"data.json": "data.grants", "grants/data.json": "data.grants", "shop/authz/data.yaml": "data.shop.authz"}
    document = {"data.json": '{"grants": {"roles": %s}}'}.get(file, '{"roles": %s}')
    folders = []
    for name, roles in (("before", '["nobody"]'), ("after", '["nobody", "guest"]')):
        folder = policy(tmp_path / name, f"allow if input.subject.claims.role in {place[file]}.roles")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(document % roles)
        folders.append(folder)
    one = contract()
    answers = compare_access(
        Side(one, folders[0], one.decision_path), Side(one, folders[1], one.decision_path), opa=opa
    )
    assert answers.no_new_access.answer == REFUTED
    assert answers.no_new_access.witnesses[0].scenario.after.claims["role"] == "guest"
    assert answers.no_lost_access.answer == PROVED


def test_a_rule_that_waits_for_a_version_is_found(opa: Opa, tmp_path: Path) -> None:
    folder = policy(tmp_path, 'allow if input.contract.version == "1.1.0"')
    old = contract()
    new = parse_contract(yaml.safe_dump(copy.deepcopy(BASE) | {"version": "1.1.0"}), Path("shop.yaml"), named=False)
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED


def test_where_only_membership_is_asked_one_order_stands_for_all(opa: Opa, tmp_path: Path) -> None:
    """The near miss: nothing but `in` is asked, so the other order need not be tried for a proof."""
    folder = policy(tmp_path, 'allow if {\n\t"user" in input.subject.claims.roles\n\tnot input.subject.claims.role\n}')
    old = contract()
    new = contract(role={"required": True, "schema": {"enum": ["user", "guest", "x"]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == PROVED


def test_a_number_that_becomes_a_boolean_is_a_change(opa: Opa, tmp_path: Path) -> None:
    """To Python `1` and `true` are equal, and so would be the two contracts."""
    folder = policy(tmp_path, "allow if input.subject.claims.flag == true")
    old = contract(flag={"required": True, "schema": {"enum": [0, 1]}})
    new = contract(flag={"required": True, "schema": {"enum": [0, True]}})
    answer = compare_access(
        Side(old, folder, old.decision_path), Side(new, folder, new.decision_path), opa=opa
    ).no_new_access
    assert answer.answer == REFUTED
    assert answer.witnesses[0].changed == ("flag",)
