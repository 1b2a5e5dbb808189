"""Strings that policies make of others and compare with others: decided where only open strings or numbers meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Side, compare_access
from tests.shop import SHOP

SCHEMAS = {
    "login": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 20},
    "unit": {"type": "string", "maxLength": 20},
    "number": {"type": "integer", "minimum": 0, "maximum": 5000},
    "teams": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 30},
}
REQUEST = {
    "actions": ["read"],
    "resources": {"item": {"properties": {"path": {"type": "string", "maxLength": 80}}, "required": ["path"]}},
    "context": {"properties": {}},
}
PATH, LOGIN, UNIT = "input.resource.properties.path", "input.subject.claims.login", "input.subject.claims.unit"
NUMBER, TEAMS = "input.subject.claims.number", "input.subject.claims.teams"

EQUIVALENT = {
    "a prefix and its own spelling": (
        f'startswith({PATH}, concat("/", ["home", {LOGIN}, ""]))',
        f'startswith({PATH}, sprintf("home/%s/", [{LOGIN}]))',
    ),
    "a constant that begins with a string": (f'startswith("ab", {UNIT})', f'{UNIT} in {{"", "a", "ab"}}'),
    "a constant that ends with a string": (f'endswith("ab", {UNIT})', f'{UNIT} in {{"", "b", "ab"}}'),
    "a constant that contains a string": (f'contains("aba", {UNIT})', f'{UNIT} in {{"", "a", "b", "ab", "ba", "aba"}}'),
    "a printed number and its digits": (f'sprintf("n-%d", [{NUMBER}]) == "n-7"', f"{NUMBER} == 7"),
    "no number has a leading zero": (f'sprintf("n-%v", [{NUMBER}]) == "n-07"', "false"),
    "an expected beginning of a longer string": (f'startswith(sprintf("u-%s", [{LOGIN}]), "u-")', f'{LOGIN} >= ""'),
    "two built strings with the same ends": (
        f'concat(":", ["t", {UNIT}, "x"]) == concat(":", ["t", {LOGIN}, "x"])',
        f"{UNIT} == {LOGIN}",
    ),
    "alternatives of a glob and two globs": (
        f'glob.match("/offers/{{new,draft}}/*.[a-f]", ["/"], {PATH})',
        f'some g in ["/offers/new/*.[a-f]", "/offers/draft/*.[a-f]"]; glob.match(g, ["/"], {PATH})',
    ),
    "a list with commas and its four places": (
        f"regex.match(`(?:^|,)ops(?:,|$)`, {UNIT})",
        f'"ops" in split({UNIT}, ",")',
    ),
    "a word and what may stand beside it": (
        f"regex.match(`\\bops\\b`, {UNIT})",
        f"regex.match(`(?:^|\\W)ops(?:$|\\W)`, {UNIT})",
    ),
}
WIDER = {
    "the slash behind the name is gone": (
        f'startswith({PATH}, concat("", [{LOGIN}, "/"]))',
        f"startswith({PATH}, {LOGIN})",
    ),
    "a class of a glob matches a delimiter": (
        f'glob.match("a?b", ["/"], {PATH})',
        f'glob.match("a[!x]b", ["/"], {PATH})',
    ),
    "a boundary is no comma": (f'"ops" in split({UNIT}, ",")', f"regex.match(`\\bops\\b`, {UNIT})"),
    "an empty string is a prefix": (f'{UNIT} == "admin"', f'startswith("admin", {UNIT})'),
    "contained instead of equal": (f"{UNIT} == {PATH}", f"contains({PATH}, {UNIT})"),
    "two numbers that print alike beside others": (
        f'{PATH} == sprintf("%d%d", [{NUMBER}, 1])',
        f'{PATH} == sprintf("%d%d", [{NUMBER}, {NUMBER}])',
    ),
    "a team's name in front": (
        f'some team in {TEAMS}; {PATH} == sprintf("%s/%s", [team, {LOGIN}])',
        f'some team in {TEAMS}; startswith({PATH}, sprintf("%s/", [team]))',
    ),
}


def contract() -> Contract:
    claims = {name: {"required": True, "schema": schema} for name, schema in SCHEMAS.items()}
    document = {**SHOP, "claims": claims, "scopes": {}, "request": REQUEST}
    return parse_contract(json.dumps(document), Path("shop/1.0.0.yaml"))


def answers(bodies: tuple[str, str], opa: Opa, folder: Path) -> tuple[str, str]:
    """Whether the second rule gives new access, and whether the first one does beside it."""
    sides = []
    for name, body in zip(("old", "new"), bodies, strict=True):
        place = folder / name / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\nallow if {{ {body} }}\n")
        sides.append(Side(contract(), folder / name, "shop/authz/allow"))
    found = compare_access(*sides, opa=opa)
    return found.no_new_access.answer, found.no_lost_access.answer


@pytest.mark.parametrize("name", EQUIVALENT)
def test_two_spellings_of_one_condition_are_proved_equal(name: str, opa: Opa, tmp_path: Path) -> None:
    assert answers(EQUIVALENT[name], opa, tmp_path) == (PROVED, PROVED)


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_condition_has_a_witness(name: str, opa: Opa, tmp_path: Path) -> None:
    assert answers(WIDER[name], opa, tmp_path)[0] == REFUTED


def test_a_glob_that_opa_may_take_for_another_is_not_followed(opa: Opa, tmp_path: Path) -> None:
    """OPA keeps compiled globs under names that `x*` with `-` and `.` shares with `x*-` with `.`."""
    body = f'glob.match("x*", ["-", "."], {UNIT})'
    bodies = body, f'{body}; {UNIT} != "x"'
    assert answers(bodies, opa, tmp_path)[0] == UNKNOWN
