"""The check held against the plainest oracle: every token pair and request there is, decided by OPA one and all.

Contracts, changes and policies are drawn at random from small domains. A wrong `proved` is the failure that counts.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, conforms, parse_contract, policy_input
from entitlements.engine import BatchEngine, Opa
from entitlements.model import AccessRequest, Action, Principal, Resource
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Access, Effort, Side, compare_access
from entitlements.proof.migration import related
from tests.shop import SHOP

CASES = 40
SCHEMAS: list[dict[str, Any]] = [
    {"type": "boolean"},
    {"enum": ["a", "b"]},
    {"enum": ["a", "b", "c"]},
    {"enum": ["b", "c", 1]},
    {"enum": ["true", "false"]},
    {"type": "integer", "minimum": 0, "maximum": 2},
    {"type": "integer", "minimum": 1, "maximum": 3},
    {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "maxItems": 1},
    {"type": "array", "items": {"enum": ["a", "c"]}, "minItems": 1, "maxItems": 2},
    {"type": "object", "properties": {"k": {"enum": ["a", "b"]}, "on": {"type": "boolean"}}, "required": ["k"]},
]
CONDITIONS = [
    '{claim} == "a"',
    '{claim} != "b"',
    "not {claim}",
    "{claim} == true",
    "not {claim} == true",
    "{claim} > 1",
    '"a" in {claim}',
    'not "b" in {claim}',
    '{claim}[0] == "a"',
    '{claim}[_] == "c"',
    "count({claim}) == 1",
    'every item in {claim} {{ item != "b" }}',
    '{claim}.k == "b"',
    "not {claim}.on",
    '{claim} in {{"a", "c", 1}}',
    'object.get(input.subject.claims, "{name}", "a") == "a"',
    "{claim} == input.resource.properties.tenant",
    'object.get(input.subject.claims, "{name}", null) == object.get(input.resource.properties, "tenant", null)',
    'startswith(sprintf("%v", [{claim}]), "[")',
    '"read" in input.subject.scopes',
    'not "write" in input.subject.scopes',
    "is_string({claim})",
    "input.subject.claims.one == input.subject.claims.two",
]


def contract(chance: random.Random, version: str) -> Contract:
    """Two or three claims, one of them perhaps released by a scope; a request with one property."""
    claims = {}
    for name in ("one", "two"):
        if chance.random() < 0.9:
            claims[name] = {"required": chance.random() < 0.6, "schema": copy.deepcopy(chance.choice(SCHEMAS))}
    claims = claims or {"one": {"schema": {"type": "boolean"}}}
    scopes = {name: {"claims": []} for name in ("read", "write") if chance.random() < 0.5}
    if scopes and chance.random() < 0.5:
        scopes[chance.choice([*scopes])]["claims"] = [chance.choice([*claims])]
    document = {
        **SHOP,
        "version": version,
        "claims": claims,
        "scopes": scopes,
        "request": {
            "actions": ["read"],
            "resources": {"item": {"properties": {"tenant": {"enum": ["a", "b"]}}}},
            "context": {"properties": {}},
        },
    }
    return parse_contract(yaml.safe_dump(document), Path("shop.yaml"), named=False)


def policy(chance: random.Random, folder: Path) -> Path:
    """One to three rules of one to two conditions each, and perhaps a denial."""

    def condition() -> str:
        name = chance.choice(["one", "two"])
        return chance.choice(CONDITIONS).format(claim=f"input.subject.claims.{name}", name=name)

    rules = [f"granted if {{ {'; '.join(condition() for _ in range(chance.randint(1, 2)))} }}" for _ in range(2)]
    denials = [f"denied if {{ {condition()} }}"] if chance.random() < 0.5 else ["denied if false"]
    text = ["package shop.authz", "default allow := false", *rules, *denials, "allow if { granted; not denied }"]
    (folder / "shop" / "authz").mkdir(parents=True)
    (folder / "shop" / "authz" / "authz.rego").write_text("\n\n".join(text) + "\n")
    return folder


def everything(schema: Any) -> list[Any]:
    scalars = ["a", "b", "c", "true", "false", True, False, *range(5)]
    if schema.get("type") == "array":
        items = schema["items"]["enum"]
        found: Any = (list(chosen) for size in range(3) for chosen in itertools.product(items, repeat=size))
    elif schema.get("type") == "object":
        found = ({"k": k, **on} for k in ("a", "b") for on in ({}, {"on": True}, {"on": False}))
    else:
        found = scalars
    return [value for value in found if conforms(schema, value)]


def tokens(one: Contract) -> list[tuple[frozenset[str], dict[str, Any]]]:
    """Every token that a contract permits."""
    found = []
    for size in range(len(one.scopes) + 1):
        for scopes in map(frozenset, itertools.combinations(one.scopes, size)):
            choices = []
            for name, spec in one.claims.items():
                there = not one.released_by[name] or bool(one.released_by[name] & scopes)
                values = [((name, value),) for value in everything(spec.schema)] if there else []
                choices.append([*values, *([()] if not there or not spec.required else [])])
            found += [(scopes, dict(sum(chosen, ()))) for chosen in itertools.product(*choices)]
    return found


def allowed(one: Contract, folder: Path, opa: Opa) -> dict[str, bool]:
    """Whether each token with each request is allowed, by the text of both."""
    asked = {}
    for scopes, claims in tokens(one):
        for properties in ({}, {"tenant": "a"}, {"tenant": "b"}):
            request = AccessRequest("", Action("read"), Resource("item", "1", properties))
            principal = Principal("u_1", "client", claims, tuple(sorted(scopes)))
            asked[key(scopes, claims, properties)] = policy_input(one, principal, request)
    with BatchEngine(opa, folder, one.decision_path) as engine:
        verdicts = engine.decide([*asked.values()])
    return {text: verdict is not None and verdict.allow for text, verdict in zip(asked, verdicts, strict=True)}


def key(scopes: frozenset[str], claims: dict[str, Any], properties: dict[str, str]) -> str:
    return json.dumps([sorted(scopes), claims, properties], sort_keys=True)


def truth(old: Contract, new: Contract, before: dict[str, bool], after: dict[str, bool]) -> tuple[bool, bool]:
    """Whether anyone gains and whether anyone loses access: every related pair is looked at."""
    gains = loses = False
    news = tokens(new)
    for one in tokens(old):
        for other in news:
            if (gains and loses) or not related(old, new, one, other):
                continue
            for properties in ({}, {"tenant": "a"}, {"tenant": "b"}):
                was, will_be = before[key(*one, properties)], after[key(*other, properties)]
                gains |= will_be and not was
                loses |= was and not will_be
    return gains, loses


def compared(old: Contract, new: Contract, folders: tuple[Path, Path], opa: Opa) -> Access:
    return compare_access(
        Side(old, folders[0], old.decision_path),
        Side(new, folders[1], new.decision_path),
        opa=opa,
        effort=Effort(budget=200_000),
    )


@pytest.mark.parametrize("seed", range(CASES))
def test_the_answer_is_what_looking_at_everything_says(seed: int, opa: Opa, tmp_path: Path) -> None:
    chance = random.Random(seed)
    old, new = contract(chance, "1.0.0"), contract(chance, "2.0.0")
    before = policy(chance, tmp_path / "before")
    after = policy(chance, tmp_path / "after") if chance.random() < 0.5 else before
    gains, loses = truth(old, new, allowed(old, before, opa), allowed(new, after, opa))
    access = compared(old, new, (before, after), opa)
    for happens, answer in ((gains, access.no_new_access), (loses, access.no_lost_access)):
        assert answer.answer == (REFUTED if happens else PROVED)


@pytest.mark.parametrize("seed", range(8))
def test_a_contract_compared_with_itself_is_proved_in_both_directions(seed: int, opa: Opa, tmp_path: Path) -> None:
    chance = random.Random(1000 + seed)
    one, folder = contract(chance, "1.0.0"), policy(chance, tmp_path)
    access = compared(one, one, (folder, folder), opa)
    assert (access.no_new_access.answer, access.no_lost_access.answer) == (PROVED, PROVED)


@pytest.mark.parametrize("seed", range(8))
def test_what_one_way_gains_the_way_back_loses(seed: int, opa: Opa, tmp_path: Path) -> None:
    """Of policies alone, where the relation is the same in both directions: no one's token changes."""
    chance = random.Random(2000 + seed)
    one = contract(chance, "1.0.0")
    before, after = policy(chance, tmp_path / "before"), policy(chance, tmp_path / "after")
    there, back = compared(one, one, (before, after), opa), compared(one, one, (after, before), opa)
    assert there.no_new_access.answer == back.no_lost_access.answer != UNKNOWN
    assert there.no_lost_access.answer == back.no_new_access.answer != UNKNOWN


def without_lists(chance: random.Random, version: str) -> Contract:
    """Claims that are no lists, and no scopes: of these the relation of a change taken back is the mirror."""
    while True:
        one = contract(chance, version)
        if not one.scopes and all(claim.schema.get("type") != "array" for claim in one.claims.values()):
            return one


@pytest.mark.parametrize("seed", range(12))
def test_a_change_and_its_reverse_mirror_each_other(seed: int, opa: Opa, tmp_path: Path) -> None:
    chance = random.Random(3000 + seed)
    old, new = without_lists(chance, "1.0.0"), without_lists(chance, "2.0.0")
    before, after = policy(chance, tmp_path / "before"), policy(chance, tmp_path / "after")
    there, back = compared(old, new, (before, after), opa), compared(new, old, (after, before), opa)
    assert there.no_new_access.answer == back.no_lost_access.answer != UNKNOWN
    assert there.no_lost_access.answer == back.no_new_access.answer != UNKNOWN
