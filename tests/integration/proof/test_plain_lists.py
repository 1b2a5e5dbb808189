"""Lists of enum values that may repeat: what is proved of their members and their length holds of every such list."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Side, compare_access
from entitlements.proof.migration import related
from tests.shop import SHOP

ITEMS = {"two": ["a", "b"], "three": ["a", "b", "c"]}
CHANGES = {
    "value removed": ({"items": "three", "maxItems": 3}, {"items": "two", "maxItems": 3}),
    "value added": ({"items": "two", "maxItems": 2}, {"items": "three", "maxItems": 2}),
    "longer": ({"items": "two", "maxItems": 1}, {"items": "two", "maxItems": 3}),
    "shorter": ({"items": "two", "maxItems": 3}, {"items": "two", "maxItems": 2}),
    "not empty": ({"items": "two", "maxItems": 2}, {"items": "two", "minItems": 2, "maxItems": 2}),
    "may be empty": ({"items": "three", "minItems": 1, "maxItems": 2}, {"items": "two", "maxItems": 2}),
}
RULES: dict[str, Callable[[list[str]], bool]] = {
    '"a" in TAGS': lambda tags: "a" in tags,
    'not "a" in TAGS': lambda tags: "a" not in tags,
    "count(TAGS) == 2": lambda tags: len(tags) == 2,
    "count(TAGS) >= 2": lambda tags: len(tags) >= 2,
    "count(TAGS) == 0": lambda tags: not tags,
    '"b" in TAGS; count(TAGS) == 2': lambda tags: "b" in tags and len(tags) == 2,
    'every tag in TAGS { tag == "a" }': lambda tags: all(tag == "a" for tag in tags),
    'every tag in TAGS { tag == "b" }; count(TAGS) > 1': lambda tags: set(tags) == {"b"} and len(tags) > 1,
    'count([tag | some tag in TAGS; tag == "a"]) == 2': lambda tags: tags.count("a") == 2,
}


def contract(version: str, change: dict[str, Any], *, nested: bool) -> Contract:
    schema = {"type": "array", **change, "items": {"enum": ITEMS[change["items"]]}}
    if nested:
        schema = {"type": "object", "properties": {"tags": schema}, "required": ["tags"]}
    request = {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}}
    claims = {"realm" if nested else "tags": {"required": True, "schema": schema}}
    document = {**SHOP, "version": version, "claims": claims, "scopes": {}, "request": request}
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


def lists(change: dict[str, Any]) -> list[list[str]]:
    sizes = range(change.get("minItems", 0), change["maxItems"] + 1)
    return [list(tags) for size in sizes for tags in itertools.product(ITEMS[change["items"]], repeat=size)]


def pairs(sides: tuple[Contract, Contract], change: tuple[dict[str, Any], dict[str, Any]], *, nested: bool) -> Any:
    """Every list before with every one that the same principal may hold after."""
    none: frozenset[str] = frozenset()
    for before, after in itertools.product(*map(lists, change)):
        held = [{"realm": {"tags": tags}} if nested else {"tags": tags} for tags in (before, after)]
        if related(*sides, (none, held[0]), (none, held[1])):
            yield before, after


@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
@pytest.mark.parametrize("name", CHANGES)
def test_answers_about_lists_that_may_repeat_are_those_of_every_pair_of_lists(
    name: str, nested: bool, opa: Opa, tmp_path: Path
) -> None:
    change = CHANGES[name]
    sides = contract("1.0.0", change[0], nested=nested), contract("2.0.0", change[1], nested=nested)
    held = list(pairs(sides, change, nested=nested))
    for number, (body, allowed) in enumerate(RULES.items()):
        place = tmp_path / str(number) / "shop" / "authz"
        place.mkdir(parents=True)
        text = body.replace("TAGS", f"input.subject.claims.{'realm.tags' if nested else 'tags'}")
        (place / "authz.rego").write_text(f"package shop.authz\n\nallow if {{ {text} }}\n")
        old, new = (Side(one, place.parents[1], "shop/authz/allow") for one in sides)
        found = compare_access(old, new, opa=opa)
        gains = any(allowed(after) and not allowed(before) for before, after in held)
        loses = any(allowed(before) and not allowed(after) for before, after in held)
        wanted = [REFUTED if happens else PROVED for happens in (gains, loses)]
        assert [found.no_new_access.answer, found.no_lost_access.answer] == wanted, body
