"""Keys that OPA converts where a reference goes into base documents: `data.m[1.5]` is the member "1.5".

Each widening that a proof would hide if it read the key as it is, with a near miss that is proved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract
from entitlements.engine import BatchEngine, Opa
from entitlements.engine.plan_build import build_plan
from entitlements.model import Resource
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Effort, Side, compare_access
from entitlements.proof.scenario import Scenario, Token, policy_input_of
from entitlements.proof.symbolic.encode import Policy
from tests.integration.proof.test_traps import TEXT, Case, access, cases, held, must, with_claims

HALF, HALVES = {"enum": [0.5]}, {"enum": [0.5, 1.5]}
ONE, BOTH = {"enum": [1]}, {"enum": [1, 2]}
LOW, HIGH = {"type": "number", "minimum": 0, "maximum": 1}, {"type": "number", "minimum": 0, "maximum": 2}
SMALL, LARGE = {"type": "integer", "minimum": -40, "maximum": 0}, {"type": "integer", "minimum": -40, "maximum": 40}
KEY = "input.subject.claims.key"
NAME = "input.subject.claims.name"
ANYBODY = 'input.subject.claims.name != "nobody"'
M = '{"m": {"1.5": true, "2": true, "30": true, "1e-05": true, "-7": true}, "xs": [false, true]}'
GONE = '{"m": {"0.5": true, "1": true}}'


def one(name: str, want: str, schemas: tuple[dict[str, Any], dict[str, Any]], rule: str, data: str = M) -> Case:
    old, new = (with_claims(key=must(schema), name=must(TEXT)) for schema in schemas)
    return Case(name, want, old, new, rule.replace("KEY", KEY).replace("ANYBODY", ANYBODY), data=data)


@cases(
    one("a fraction", REFUTED, (HALF, HALVES), "allow if data.tables.m[KEY]"),
    one("a fraction that is not there", PROVED, (HALF, {"enum": [0.5, 2.5]}), "allow if data.tables.m[KEY]"),
    one("a fraction in a variable's value", PROVED, (HALF, HALVES), "allow if { m := data.tables.m; m[KEY] }"),
    one("a fraction in an exponent form", REFUTED, (HALF, {"enum": [0.5, 0.00001]}), "allow if data.tables.m[KEY]"),
    one("a whole number", REFUTED, (ONE, BOTH), "allow if data.tables.m[KEY]"),
    one("a whole number through a function", PROVED, (ONE, BOTH), "allow if has(data.tables.m, KEY)\n\nhas(m, k) if m[k]"),
    one("a negative number", REFUTED, ({"enum": [-1]}, {"enum": [-1, -7]}), "allow if data.tables.m[KEY]"),
    one("an open number", REFUTED, (LOW, HIGH), "allow if data.tables.m[KEY]"),
    one("an open number up to a bound", PROVED, (LOW, {**LOW, "maximum": 1.25}), "allow if data.tables.m[KEY]", '{"m": {"1.5": true}}'),
    one("an open whole number", REFUTED, (SMALL, LARGE), "allow if data.tables.m[KEY]", '{"m": {"30": true}}'),
    one("an open whole number that is not there", PROVED, (SMALL, LARGE), "allow if data.tables.m[KEY]", '{"m": {"50": true, "1.5": true}}'),
    one("under not", REFUTED, (HALF, HALVES), "allow if not data.tables.m[KEY]", GONE),
    one("under not of what is there", PROVED, (HALF, HALVES), "allow if not data.tables.m[KEY]", '{"m": {"0.5": true, "1.5": true}}'),
    one("in a comprehension", REFUTED, (HALF, HALVES), "allow if count([1 | data.tables.m[KEY]]) == 1"),
    one("of another document", REFUTED, (HALF, HALVES), "allow if { some n in data.tables.n; n == KEY; data.tables.m[n] }", '{"n": [1.5], "m": {"1.5": true}}'),
    one("in a nested document", REFUTED, (HALF, HALVES), "allow if data.tables[_].n[KEY].on", '{"a": {"n": {"1.5": {"on": true}}}, "b": {}}'),
    one("calculated", REFUTED, (ONE, BOTH), "allow if data.tables.m[KEY + 28]"),
    one("the text of an index", REFUTED, ({"enum": ["0"]}, {"enum": ["0", "1"]}), "allow if data.tables.xs[KEY]"),
    one("the text of an index with a point", REFUTED, ({"enum": ["0"]}, {"enum": ["0", "1.0"]}), "allow if data.tables.xs[KEY]"),
    one("a text that is no index", PROVED, ({"enum": ["0"]}, {"enum": ["0", "1e0"]}), "allow if data.tables.xs[KEY]"),
    one("object.get converts nothing", PROVED, (HALF, HALVES), "allow if object.get(data.tables.m, KEY, false)"),
    one("membership converts nothing", PROVED, (HALF, HALVES), "allow if KEY in object.keys(data.tables.m)"),
    one("a name that is gone through converts nothing", PROVED, (HALF, HALVES), "allow if { some k, v in data.tables.m; k == KEY }"),
)  # fmt: skip
def test_keys_of_base_documents_are_converted_where_opa_does(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@cases(
    one("with", REFUTED, (HALF, HALVES), "ok if data.tables.m[KEY]\n\nallow if { ANYBODY; ok with data.tables.other as 1 }"),
    one("a partial rule", REFUTED, (HALF, HALVES), "names contains k if {\n\tsome k\n\tdata.tables.m[k]\n}\n\nallow if { ANYBODY; names[KEY] }"),
    one("a number that is written otherwise", REFUTED, (ONE, BOTH), "allow if { ANYBODY; data.tables.m[data.tables.n[KEY]] }", '{"n": [0, 0, 1.0], "m": {"1.0": true}}'),
)  # fmt: skip
def test_a_conversion_that_is_not_followed_is_never_called_proved(case: Case, opa: Opa, tmp_path: Path) -> None:
    found = access(case, tmp_path, opa)
    assert found.no_new_access.answer == REFUTED
    assert found.no_lost_access.answer == UNKNOWN
    assert "authz.rego:" in found.no_lost_access.reason


INDEXED = {
    "a set": ('found contains "x" if data.tables.m[KEY]', '"x" in found'),
    "a set of two": ('found contains "x" if data.tables.m[KEY]\n\nfound contains "y" if NAME == "y"', '"x" in found'),
    "an object": ("found[NAME] := 1 if data.tables.m[KEY]", "found[NAME]"),
    "two values": ('found := "x" if data.tables.m[KEY]\n\nfound := "y" if NAME == "y"', 'found == "x"'),
    "an else": ('found := "x" if { data.tables.m[KEY] } else := "y" if { NAME == "y" }', 'found == "x"'),
    "a function": (
        'found(k) := "x" if data.tables.m[k]\n\nfound("0") := "y"\n\nasked if found(KEY) == "x"',
        "asked",
    ),
    "a variable": ('found contains "x" if { k := KEY; data.tables.m[k] }', '"x" in found'),
    "a constant before": ('found contains "x" if data.tables.n[1][NAME]', '"x" in found'),
    "a constant index before": ('found contains "x" if data.tables.xs["1"][NAME]', '"x" in found'),
    "behind a loop": ('found contains r if { some r in ["x"]; data.tables.m[KEY] }', '"x" in found'),
}
"""Rules that OPA's index may leave out for a number as a key of a base document, and how they are asked."""
RARE = 'NAME == "zebra-17"; input.resource.properties.state == "open"; KEY == 2'


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("negated", [False, True])
def test_a_rule_that_the_index_of_opa_leaves_out_is_never_proved_to_hold(
    name: str, negated: bool, opa: Opa, tmp_path: Path
) -> None:
    rules, asked = INDEXED[name]
    document = {"m": {"2": True}, "n": {"1": {"zebra-17": True}}, "xs": [0, {"zebra-17": True}]}
    one = with_claims(key=must(BOTH), name=must(TEXT))

    def policy(condition: str) -> str:
        return f"allow if {{ {RARE}; {condition} }}\n\n{rules}".replace("KEY", KEY).replace("NAME", NAME)

    ways = [policy(asked), policy(f"not {asked}")]
    before, after = ways[::-1] if negated else ways
    found = access(Case("index", "", one, one, before, after, json.dumps(document)), tmp_path, opa)
    token = {"role": "user", "key": 2, "name": "zebra-17"}
    allowed = [decides(opa, tmp_path / side, one, token) for side in ("before", "after")]
    # Whichever OPA allows: the other side must not be proved to be as wide.
    assert sorted(allowed) == [False, True]
    widens = found.no_new_access if allowed[1] else found.no_lost_access
    assert widens.answer in (REFUTED, UNKNOWN), widens


def decides(opa: Opa, folder: Path, one: Contract, claims: dict[str, Any]) -> bool:
    token = Token("u_1", frozenset(), claims, "client")
    point = Scenario(token, token, "read", Resource("item", "1", {"state": "open"}), {}, {})
    with BatchEngine(opa, folder, one.decision_path) as engine:
        (verdict,) = engine.decide([policy_input_of(one, token, point)])
    return verdict is not None and verdict.allow


def test_a_rule_of_one_value_is_followed_through_the_index(opa: Opa, tmp_path: Path) -> None:
    rule = "allow if { ANYBODY; ok }\n\nok if data.tables.m[KEY]\n\nok if KEY == 7"
    held(one("one value", REFUTED, (HALF, HALVES), rule), tmp_path, opa)


@pytest.mark.parametrize("key", ["1.5", "2"])
def test_numbers_as_names_in_yaml_are_found_by_number(key: str, opa: Opa, tmp_path: Path) -> None:
    (tmp_path / "shop/authz").mkdir(parents=True)
    rule = f"package shop.authz\n\ndefault allow := false\n\nallow if data.tables.m[{KEY}]\n"
    (tmp_path / "shop/authz/authz.rego").write_text(rule)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/data.yaml").write_text(f'm:\n  "{key}": true\n')
    schemas: list[dict[str, Any]] = [{"enum": [0.5, 1]}, {"enum": [0.5, 1, 1.5, 2]}]
    old, new = (with_claims(key=must(schema)) for schema in schemas)
    before, after = (Side(one, tmp_path, one.decision_path) for one in (old, new))
    found = compare_access(before, after, opa=opa, effort=Effort(seconds=20))
    assert found.no_new_access.answer == REFUTED
    assert found.no_lost_access.answer == PROVED


@pytest.mark.parametrize(
    ("rule", "data", "wanted"),
    [
        ("data.tables.m[input.k]", '{"m": {"1.5": true}}', True),
        ("data.tables.m[1.5]", '{"m": {"1.5": true}}', True),
        ("data.tables.xs[input.k]", '{"xs": [true]}', True),
        ('data.tables.xs["1.0"]', '{"xs": [true, true]}', True),
        ("names[input.k]", '{"m": {"1.5": true}}', True),
        ("data.tables.m[input.k]", '{"m": {"gold": true}}', False),
        ("data.tables.m.gold", '{"m": {"gold": true, "1.5": true}}', False),
        ("{ m := data.tables.m; m[input.k] }", '{"m": {"1.5": true}}', False),
        ("input.m[input.k]", '{"m": {"1.5": true}}', False),
    ],
)
def test_a_policy_says_whether_conversions_matter_to_it(
    rule: str, data: str, wanted: bool, opa: Opa, tmp_path: Path
) -> None:
    names = "names contains k if { some k; data.tables.m[k] }" if "names" in rule else ""
    policy = f"package authz\n\ndefault allow := false\n\nallow if {rule}\n\n{names}\n"
    files = {"authz/authz.rego": policy.encode(), "tables/data.json": data.encode()}
    assert Policy(build_plan(opa, files, "authz/allow")).converts_keys is wanted
