"""Which records of earlier proofs are still to be relied on: what each mended false proof concerned."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.contract.loader import parse_contract
from entitlements.proof.decision_shape import may_oblige
from entitlements.proof.soundness import FIRST, HISTORY, SOUNDNESS, ProofSide, concerning, least_sound
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, admin]}}{link}}}
""",
    rule="allow",
)
PLAIN = 'package shop.authz\n\ndefault allow := false\n\nallow if input.subject.claims.role == "admin"\n'
NAME = "shop/authz/authz.rego"


def side(version: str, policy: str = PLAIN, link: str = "", **data: bytes) -> ProofSide:
    contract = parse_contract(CONTRACT.format(version=version, link=link), Path("c.yaml"), named=False)
    return ProofSide(contract, {NAME: policy.encode(), **data})


def test_the_numbers_of_the_history_are_in_order_and_the_last_is_the_one_of_today() -> None:
    assert [mend.number for mend in HISTORY] == list(range(FIRST + 1, SOUNDNESS + 1))


def test_a_plain_policy_needs_no_mend() -> None:
    assert least_sound(side("1.0.0"), side("1.1.0")) == FIRST


def test_policies_that_are_not_at_hand_need_every_mend_of_policies() -> None:
    unknown = ProofSide(side("1.0.0").contract, None)
    assert least_sound(unknown, side("1.1.0")) == 8


@pytest.mark.parametrize(
    ("rules", "needed"),
    [
        ("profile: spring", 9),
        ("profile: keycloak", FIRST),
        ("profile: keycloak, opaque: {}", 9),
        ("profile: curity, audience: {claim: client_id, values: [web]}", FIRST),
    ],
)
def test_tokens_that_may_name_no_client_need_their_mend(rules: str, needed: int) -> None:
    text = CONTRACT.format(version="1.0.0", link="").replace("profile: rfc9068", rules)
    one = ProofSide(parse_contract(text, Path("c.yaml"), named=False), {NAME: PLAIN.encode()})
    assert least_sound(one, one) == needed


def test_another_issuer_needs_the_mend_of_subjects() -> None:
    moved = CONTRACT.format(version="1.1.0", link="").replace("https://login.example.com", "https://id.example.net")
    old, new = side("1.0.0"), ProofSide(parse_contract(moved, Path("c.yaml"), named=False), {NAME: PLAIN.encode()})
    assert (least_sound(old, new), least_sound(new, old), least_sound(new, new)) == (10, 10, FIRST)


@pytest.mark.parametrize("where", [0, 1])
def test_a_base_document_on_either_side_needs_the_mend_of_number_keys(where: int) -> None:
    sides = [side("1.0.0"), side("1.1.0")]
    sides[where] = ProofSide(sides[where].contract, {**(sides[where].files or {}), "plans/data.json": b"{}"})
    assert least_sound(*sides) == 2


def test_a_base_document_put_by_with_needs_it_too() -> None:
    policy = PLAIN + 'allow if data.plans.ok[input.subject.claims.n] with data.plans as {"ok": {"1.5": true}}\n'
    assert least_sound(side("1.0.0"), side("1.1.0", policy)) == 2


def test_a_declared_link_needs_the_mend_of_renamings() -> None:
    assert least_sound(side("1.0.0"), side("1.1.0", link=", renamed_from: role_v2")) == 3


@pytest.mark.parametrize("where", [0, 1])
def test_obligations_on_either_side_need_their_mend(where: int) -> None:
    policies = [PLAIN, PLAIN]
    policies[where] = 'package shop.authz\n\nallow := {"allow": true, "obligations": [{"id": "step_up"}]}\n'
    old, new = side("1.0.0", policies[0]), side("1.1.0", policies[1])
    assert least_sound(old, new) == 4
    assert [mend.number for mend in concerning(old, new, 4)] == []


SPELLED = {"x.json": b'{"k": 1e0}'}, {"x.json": b'{"k": -0}'}, {"x.json": b'{"k": 1.50}'}, {"x.yaml": b"k: 0x10\n"}
PRINTED = "allow if sprintf(`%v`, [input.context.n / 3]) == `1`\n", "allow if json.marshal(2.0) == `2.0`\n"


@pytest.mark.parametrize("data", SPELLED, ids=str)
def test_a_number_spelled_otherwise_needs_the_mend_of_spellings(data: dict[str, bytes]) -> None:
    assert 5 in [mend.number for mend in concerning(side("1.0.0", PLAIN, "", **data), side("1.1.0"))]


@pytest.mark.parametrize("rule", PRINTED)
def test_a_printed_number_needs_the_mend_of_spellings(rule: str) -> None:
    assert least_sound(side("1.0.0"), side("1.1.0", PLAIN + rule)) == 5


def test_numbers_in_the_spelling_of_the_service_need_no_mend_of_spellings() -> None:
    numbers = {"x.json": b'{"k": [1, 1.5, -3, 0, 1e-05]}'}
    assert least_sound(side("1.0.0", PLAIN, "", **numbers), side("1.1.0")) == 2


@pytest.mark.parametrize(
    ("rule", "data", "wanted"),
    [
        ("", {"x.json": b'{"m": {"1": true}}'}, 6),
        ("", {"x.json": b'{"m": [{"1.5": true}]}'}, 6),
        ("", {"x.json": b'{"m": {"\\u0031": true}}'}, 6),
        ("", {"x.yaml": b"m: {one: true}"}, 6),
        ("", {"x.json": b'{"m": {"one": 1}}'}, 2),
        ("", {"x.json": b'{"m": [true]}'}, 2),
        ('allow if data.m["0"][input.context.k]\n', {"x.json": b'{"m": [true]}'}, 6),
        ('allow if data.m["0"][input.context.k]\n', {"x.json": b'{"m": []}'}, 2),
    ],
)
def test_members_named_by_numbers_need_the_mend_of_the_rule_index(
    rule: str, data: dict[str, bytes], wanted: int
) -> None:
    assert least_sound(side("1.0.0", PLAIN + rule, "", **data), side("1.1.0")) == wanted


def test_a_sounder_record_is_concerned_by_later_mends_alone() -> None:
    policy = "package shop.authz\n\nallow := input.context\n"
    old = ProofSide(side("1.0.0").contract, {NAME: policy.encode(), "data.json": b"{}"})
    assert [mend.number for mend in concerning(old, old)] == [2, 4]
    assert [mend.number for mend in concerning(old, old, 2)] == [4]


READS_MEMBERS = {
    "members": "allow if input.subject.id == input.subject.claims.owner\n\nallow if input.context.x\n",
    "imported member": "import input.subject.claims\n\nallow if claims.role\n",
    "schema": "# METADATA\n# schemas:\n#   - input: schema.shop\nallow if input.resource.id\n",
}
READS_MORE = {
    "subject": "allow if count(input.subject) == 5\n",
    "imported subject": "import input.subject\n\nallow if subject.id\n",
    "computed member": "allow if {\n\tsome k\n\tinput.subject[k] == 1\n}\n",
    "input": "allow if object.get(input, data.path, 0)\n",
    "issuer": 'allow if not input.subject.issuer == "a"\n',
    "string": 'allow if input["subject"].id\n',
}


@pytest.mark.parametrize("name", READS_MEMBERS)
def test_members_that_there_always_were_need_no_mend(name: str) -> None:
    assert least_sound(side("1.0.0"), side("1.1.0", f"package shop.authz\n\n{READS_MEMBERS[name]}")) == FIRST


@pytest.mark.parametrize("name", READS_MORE)
def test_anything_else_of_the_input_needs_the_mend_of_the_issuer(name: str) -> None:
    assert least_sound(side("1.0.0", f"package shop.authz\n\n{READS_MORE[name]}"), side("1.1.0")) == 8


HOLDS_NONE = {
    "boolean": "default allow := false\n\nallow if input.a\n\nallow := true if {\n\tinput.b\n}\n",
    "alone": "allow := false\n",
    "object": 'allow := {\n\t"allow": ok,\n\t"reasons": {r | r := "a"},\n} if {\n\ttrue\n}\n',
    "named in a body": "allow if {\n\tother\n}\n\nother if {\n\tnot allow\n}\n",
    "comment": "allow if input.a # allow := input.b\n",
}
MAY_HOLD = {
    "input": "allow := input.context\n",
    "call": 'allow := object.union({"allow": true}, input.context)\n',
    "computed key": 'allow := {"allow": true, concat("", ["obliga", "tions"]): [{"id": "a"}]}\n',
    "comprehension": "allow := {k: v | some k, v in input.context}\n",
    "partial": "allow[k] := v if some k, v in input.context\n",
    "part": "allow.allow := true\n",
    "else": "allow if {\n\tinput.a\n} else := input.context\n",
    "escape": 'allow := {"allow": true, "\\u006fbligations": [{"id": "a"}]}\n',
    "second head": "allow if input.a\n\nallow := input.context if input.b\n",
    "head behind a body": "other if { input.a }; allow := input.context\n",
    "assigned with =": "allow = input.context\n",
    "another rule": "decision := true\n",
    "literal": 'allow := {"allow": true, "obligations": []}\n',
    "template": 'allow := {"allow": true, $"obl{input.x}": [{"id": "a"}]}\n',
}


@pytest.mark.parametrize("name", HOLDS_NONE)
def test_a_decision_that_plainly_holds_no_obligation_is_told(name: str) -> None:
    assert not may_oblige({NAME: f"package shop.authz\n\n{HOLDS_NONE[name]}".encode()}, "shop/authz/allow")


@pytest.mark.parametrize("name", MAY_HOLD)
def test_any_other_decision_may_hold_some(name: str) -> None:
    assert may_oblige({NAME: f"package shop.authz\n\n{MAY_HOLD[name]}".encode()}, "shop/authz/allow")


@pytest.mark.parametrize("package", ["shop", "shop.authz.allow", 'shop["authz"]'])
def test_a_package_that_may_define_the_decision_may_give_it_some(package: str) -> None:
    other = f"package {package}\n\nallow := true\n".encode()
    assert may_oblige({NAME: PLAIN.encode(), "other.rego": other}, "shop/authz/allow")


def test_a_package_beside_gives_it_none() -> None:
    other = b"package shop.other\n\nallow := input.context\n"
    assert not may_oblige({NAME: PLAIN.encode(), "other.rego": other}, "shop/authz/allow")


ROLES = "claims:\n  roles: {{required: true, schema: {{type: array, items: {{enum: [a, b]}}, maxItems: {most}}}}}\n"
LISTED = 'package shop.authz\n\nallow := {"allow": true, "reasons": input.subject.claims.roles}\n'


@pytest.mark.parametrize(("most", "policy", "needed"), [(40, LISTED, True), (1, LISTED, False), (40, PLAIN, False)])
def test_a_decision_that_may_hold_a_list_needs_its_mend(most: int, policy: str, needed: bool) -> None:
    text = shop_contract(ROLES, rule="allow").format(version="1.0.0", most=most)
    found = ProofSide(parse_contract(text, Path("c.yaml"), named=False), {NAME: policy.encode()})
    assert (7 in [mend.number for mend in concerning(found, found)]) is needed


ROWS = (
    "request: {{actions: [read], context: {{properties: {{}}}},\n"
    "  resources: {{item: {{properties: {{rows: {rows}}}}}}}}}\n"
)
ROW = "{{type: array, items: {{type: integer, minimum: 0, maximum: 9}}, maxItems: 9}}"


@pytest.mark.parametrize(
    ("rows", "needed"),
    [
        (f"{{{{type: array, maxItems: 9, uniqueItems: true, items: {ROW}}}}}", 11),
        (f"{{{{type: array, maxItems: 9, items: {ROW}}}}}", FIRST),
        ("{{type: array, maxItems: 9, uniqueItems: true, items: {{type: boolean}}}}", FIRST),
    ],
    ids=["apart", "repeating", "flat"],
)
def test_lists_that_keep_elements_of_a_request_apart_need_their_mend(rows: str, needed: int) -> None:
    text = (CONTRACT + ROWS.replace("{rows}", rows)).format(version="1.0.0", link="")
    one = ProofSide(parse_contract(text, Path("c.yaml"), named=False), {NAME: PLAIN.encode()})
    assert least_sound(one, one) == needed


def _of_roles(rules: str, version: str) -> ProofSide:
    text = shop_contract(
        f"claims:\n  roles: {{{{schema: {{{{type: array, items: {{{{enum: [a, b]}}}}, maxItems: 2{rules}}}}}}}}}\n",
        rule="allow",
    )
    contract = parse_contract(text.format(version=version), Path("c.yaml"), named=False)
    return ProofSide(contract, {NAME: PLAIN.encode()})


@pytest.mark.parametrize(
    ("before", "after", "needed"),
    [
        (", uniqueItems: true", "", 13),
        ("", ", uniqueItems: true", 13),
        (", uniqueItems: true", ", minItems: 1, uniqueItems: true", FIRST),
        ("", ", minItems: 1", FIRST),
    ],
)
def test_lists_that_may_repeat_a_value_after_need_their_mend(before: str, after: str, needed: int) -> None:
    assert least_sound(_of_roles(before, "1.0.0"), _of_roles(after, "2.0.0")) == needed


@pytest.mark.parametrize(
    ("schema", "needed"),
    [
        ("type: integer, minimum: 1, maximum: 9, multipleOf: 10", 14),
        ("type: integer, minimum: 1, maximum: 10, multipleOf: 10", FIRST),
        ("type: array, items: {{enum: [a, b]}}, minItems: 3, maxItems: 4, uniqueItems: true", 14),
        ("type: array, items: {{enum: [a, b]}}, minItems: 2, maxItems: 4, uniqueItems: true", FIRST),
        ('type: string, pattern: "^a$", minLength: 2, maxLength: 4', 14),
        ('type: string, pattern: "^a{{2,3}}$", minLength: 2, maxLength: 4', FIRST),
    ],
)
def test_schemas_without_a_value_need_their_mend(schema: str, needed: int) -> None:
    text = shop_contract(f"claims:\n  one: {{{{schema: {{{{{schema}}}}}}}}}\n", rule="allow").format(version="1.0.0")
    one = ProofSide(parse_contract(text, Path("c.yaml"), named=False), {NAME: PLAIN.encode()})
    assert least_sound(one, one) == needed
