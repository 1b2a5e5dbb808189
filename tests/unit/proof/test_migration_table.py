"""The relation held against a second reading of the table of changes: one that builds every successor, row by row.

A successor that the table gives and the relation refuses would hide a widening. Nothing here is taken from the
relation.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entitlements.contract import ClaimSpec, Contract, conforms, parse_contract
from entitlements.contract.sources import PLAIN as PLAINLY
from entitlements.contract.sources import Extraction
from entitlements.model import same_json
from entitlements.proof import migration
from entitlements.proof.migration import ABSENT, ClaimStep, claim_steps, identity_step, related, related_claim
from entitlements.proof.migration import related_scopes as scopes_related
from tests.shop import SHOP

SCALARS: list[Any] = ["a", "b", "bb", "c", 0, 1, 2, 3, 1.5, True, False]


def words(*values: Any) -> dict[str, Any]:
    return {"enum": [*values]}


def integers(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


def many(items: dict[str, Any], most: int = 2, **rest: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, **rest}


def thing(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


PLAIN = [
    words("a"),
    words("a", "b"),
    words("b", "c"),
    words("a", 1),
    words(1, 2),
    words(1, 1.5),
    {"const": "a"},
    {"type": "string", "maxLength": 1},
    {"type": "string", "pattern": "^b"},
    {"type": "string"},
    integers(0, 2),
    integers(1, 3),
    {"type": "number", "minimum": 0, "maximum": 2},
    {"type": "boolean"},
]
ITEMS = [words("a", "b"), words("b", "c"), words("a", "b", "c"), integers(0, 1), integers(1, 2)]
OBJECTS = [
    thing(["k"], k=words("a", "b")),
    thing(["k"], k=words("b", "c")),
    thing([], k=words("a", "b"), on={"type": "boolean"}),
    thing(["k"], k=words("a", "b"), on={"type": "boolean"}),
    thing(["k", "on"], k=words("a", "b"), on={"type": "boolean"}),
    thing(["n"], n=thing([], k=words("a", "b"))),
    thing(["n"], n=thing(["k"], k=words("b", "c"))),
]
LISTS = [
    many(items, most, **extra)
    for items in ITEMS
    for most in (1, 2)
    for extra in ({}, {"uniqueItems": True}, {"minItems": 1}, {"minItems": 1, "uniqueItems": True})
]
LISTS_OF_OBJECTS = [many(items, 2, **extra) for items in OBJECTS[1:5] for extra in ({}, {"uniqueItems": True})]
NESTED = [many(many(words("a", "b"), 1), 1), many(many(words("b", "c"), 1), 1), many(many(words("a"), 2), 1)]
SCHEMAS = [*PLAIN, *OBJECTS, *LISTS, *LISTS_OF_OBJECTS[:4], *NESTED]


def every(schema: Any) -> list[Any]:
    """Every value of the small world that a schema permits."""
    return list(_every(json.dumps(schema)))


@cache
def _every(text: str) -> tuple[Any, ...]:
    return tuple(_listed(json.loads(text)))


def _listed(schema: Any) -> list[Any]:
    kind = schema.get("type")
    if kind == "object":
        choices = [
            [(name, value) for value in every(inner)] + ([] if name in schema["required"] else [None])
            for name, inner in schema["properties"].items()
        ]
        return [dict(filter(None, chosen)) for chosen in itertools.product(*choices)]
    if kind == "array":
        items = every(schema["items"])
        rows = (list(row) for size in range(schema["maxItems"] + 1) for row in itertools.product(items, repeat=size))
        return [row for row in rows if conforms(schema, row)]
    return [value for value in SCALARS if conforms(schema, value)]


def kinds(schema: Any) -> set[str]:
    if "type" in schema:
        return {schema["type"]}
    values = schema.get("enum", [schema.get("const")])
    whole = all(float(value).is_integer() for value in values if type(value) in (int, float))
    names = {bool: "boolean", str: "string", int: "integer", float: "integer"}
    found = {names[type(value)] for value in values}
    return found if whole else (found - {"integer"}) | {"number"}


def another_type(old: Any, new: Any) -> bool:
    one, other = kinds(old), kinds(new)
    if "type" not in old and "type" not in new:
        return not (one <= other or other <= one)
    return one != other or (one == {"array"} and another_type(old["items"], new["items"]))


def table(old: ClaimSpec | None, new: ClaimSpec | None, before: Any) -> Iterator[Any]:
    """Every successor of a value, as the rows of the table give them."""
    if new is None:
        yield ABSENT
        return
    permitted = [*every(new.schema), *([] if new.required else [ABSENT])]
    if old is None or another_type(old.schema, new.schema):
        yield from permitted  # added, or of another type
        return
    if same_json(old.schema, new.schema) and old.required == new.required:
        yield before
        return
    if before is ABSENT:
        yield from permitted if new.required else [ABSENT]
        return
    if old.required and not new.required:
        yield ABSENT
    if not new.required and not conforms(new.schema, before):
        yield ABSENT
    yield from value(old.schema, new.schema, before)


def value(old: Any, new: Any, before: Any) -> Iterator[Any]:
    if same_json(old, new):
        yield before
    elif another_type(old, new):
        yield from every(new)
    elif old.get("type") == "object":
        yield from properties(old, new, before)
    elif old.get("type") == "array":
        yield from lists(old, new, before)
    elif conforms(new, before):
        yield before
        yield from fresh(old, new)
    else:
        yield from every(new)


def fresh(old: Any, new: Any) -> list[Any]:
    return list(_fresh(json.dumps(old), json.dumps(new)))


@cache
def _fresh(old: str, new: str) -> tuple[Any, ...]:
    return tuple(one for one in every(json.loads(new)) if not conforms(json.loads(old), one))


def properties(old: Any, new: Any, before: dict[str, Any]) -> Iterator[Any]:
    names = sorted({*old["properties"], *new["properties"]})
    choices = [[*table(member(old, name), member(new, name), before.get(name, ABSENT))] for name in names]
    for chosen in itertools.product(*choices):
        yield {name: one for name, one in zip(names, chosen, strict=True) if one is not ABSENT}


def member(schema: dict[str, Any], name: str) -> ClaimSpec | None:
    return spec(schema["properties"].get(name), name in schema["required"])


def lists(old: Any, new: Any, before: list[Any]) -> Iterator[list[Any]]:
    items = old["items"], new["items"]
    arrivals = fresh(*items)
    choices = [[*item(*items, one)] for one in before]
    for chosen in itertools.product(*choices):
        held = [one for one in chosen if one is not ABSENT]
        yield from sized(old, new, held)
        for arrival in arrivals:  # newly permitted values may be appended
            yield from sized(old, new, [*held, arrival])


def item(old: Any, new: Any, one: Any) -> Iterator[Any]:
    """Dropped where it is no longer permitted; else the same or replaced; of what has parts, what its parts become."""
    if isinstance(one, (dict, list)):
        yield from value(old, new, one)
        if conforms(new, one):
            yield from fresh(old, new)
        else:
            yield ABSENT
    elif conforms(new, one):
        yield one
        yield from fresh(old, new)
    else:
        yield ABSENT


def sized(old: Any, new: Any, held: list[Any]) -> Iterator[list[Any]]:
    if new.get("uniqueItems"):
        held = [one for index, one in enumerate(held) if not any(same_json(one, other) for other in held[:index])]
    if len(held) > new["maxItems"]:
        yield from (list(some) for some in itertools.combinations(held, new["maxItems"]))
        return
    yield held
    more = every(new["items"])
    if new["maxItems"] > old["maxItems"]:
        for count in range(1, new["maxItems"] - len(held) + 1):
            if len(held) + count > old["maxItems"]:
                yield from ([*held, *some] for some in itertools.product(more, repeat=count))
    missing = new.get("minItems", 0) - len(held)
    if missing > 0:
        yield from ([*held, *some] for some in itertools.product(more, repeat=missing))
    if new.get("minItems", 0) < old.get("minItems", 0):
        for size in range(new.get("minItems", 0), old["minItems"]):
            yield from (list(some) for some in itertools.combinations(held, size))


def spec(schema: dict[str, Any] | None, required: bool, read: Extraction = PLAINLY) -> ClaimSpec | None:
    return None if schema is None else ClaimSpec("c", schema, required, "internal", ("access_token",), "", "", read)


def held(one: ClaimSpec) -> list[Any]:
    return [*every(one.schema), *([] if one.required else [ABSENT])]


def once(found: Iterator[Any]) -> Iterator[Any]:
    """What is found, each once: the rows of the table overlap."""
    seen = set()
    for one in found:
        key = None if one is ABSENT else json.dumps(one, sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield one


def refused(old: ClaimSpec, new: ClaimSpec, relation: Callable[..., bool] = related_claim) -> list[Any]:
    """Pairs that the table gives and the relation refuses."""
    step = ClaimStep("c", "c", old, new)
    found = []
    for before in held(old):
        for after in once(table(old, new, before)):
            permitted = not new.required if after is ABSENT else conforms(new.schema, after)
            if permitted and not relation(step, before, after, released=(True, True)):
                found.append((before, after))
    return found


def family(schemas: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [*itertools.product(schemas, schemas)]


@pytest.mark.parametrize("required", [*itertools.product([True, False], repeat=2)], ids=str)
@pytest.mark.parametrize("pairs", [family(PLAIN), family(OBJECTS), family(NESTED)], ids=["plain", "objects", "nested"])
def test_every_pair_of_the_table_is_in_the_relation(pairs: Any, required: tuple[bool, bool]) -> None:
    for old, new in pairs:
        one, other = spec(old, required[0]), spec(new, required[1])
        assert one is not None
        assert other is not None
        assert not refused(one, other), (old, new)


@pytest.mark.parametrize("pairs", [family(LISTS), family(LISTS_OF_OBJECTS)], ids=["scalars", "objects"])
def test_every_list_of_the_table_is_in_the_relation(pairs: Any) -> None:
    for old, new in pairs:
        one, other = spec(old, True), spec(new, True)
        assert one is not None
        assert other is not None
        assert not refused(one, other), (old, new)


def thinned(old: ClaimSpec, new: ClaimSpec, before: list[Any]) -> Iterator[list[Any]]:
    """The rows of lists, where any item may also have been replaced by one that is left out now."""
    items = old.schema["items"], new.schema["items"]
    for chosen in itertools.product(*([*item(*items, one), ABSENT] for one in before)):
        held = [one for one in chosen if one is not ABSENT]
        yield from sized(old.schema, new.schema, held)
        for arrival in fresh(*items):
            yield from sized(old.schema, new.schema, [*held, arrival])


def lost_by_ignoring(relation: Callable[..., bool] = related_claim) -> list[Any]:
    """Lists that may follow where an item is ignored that was not, and that the relation refuses."""
    found = []
    for schemas in family(LISTS):
        old, new = spec(schemas[0], True), spec(schemas[1], True, Extraction(ignored=("own",)))
        assert old is not None
        assert new is not None
        if another_type(old.schema, new.schema):
            continue
        for before in held(old):
            for after in thinned(old, new, before):
                if conforms(new.schema, after):
                    step = ClaimStep("c", "c", old, new)
                    if not relation(step, before, after, released=(True, True)):
                        found.append((schemas, before, after))
    return found


def test_every_list_that_loses_what_is_ignored_now_is_in_the_relation() -> None:
    assert lost_by_ignoring() == []


@pytest.mark.parametrize(
    ("text", "smaller"),
    [
        pytest.param("thins or shrinks", "shrinks", id="nothing_is_thinned"),
        pytest.param("may_refill(new.schema) or _related_list", "_related_list", id="nothing_is_refilled"),
    ],
)
def test_a_relation_that_misses_a_list_with_ignored_items_is_noticed(text: str, smaller: str) -> None:
    source = Path(migration.__file__).read_text()
    assert source.count(text) == 1
    mutant: dict[str, Any] = {"__name__": migration.__name__}
    exec(compile(source.replace(text, smaller), migration.__file__, "exec"), mutant)
    assert lost_by_ignoring(mutant["related_claim"])


SMALLER = {
    "absent stays absent": (
        "return after is ABSENT or old.required != new.required or not conforms(old.schema, after)",
        "return after is ABSENT",
    ),
    "optional may not go": ("return old.required or not conforms(new.schema, before)", "return old.required"),
    "required may not go": (
        "return old.required or not conforms(new.schema, before)",
        "return not conforms(new.schema, before)",
    ),
    "no value stays": (
        "return same_json(before, after) or not conforms(old, after)",
        "return not conforms(old, after)",
    ),
    "no new value": (" or not conforms(old, after) or not conforms(new, before)", " or not conforms(new, before)"),
    "nothing for what is gone": (
        " or not conforms(old, after) or not conforms(new, before)",
        " or not conforms(old, after)",
    ),
    "lists never shrink": ("bool(thins or shrinks or len(lost)", "bool(thins or len(lost)"),
    "long lists lose nothing": ("len(lost) <= too_long + replaced", "len(lost) <= replaced"),
    "nothing is replaced": ("len(lost) <= too_long + replaced", "len(lost) <= too_long"),
    "short lists gain nothing": ('return bool(kept < new.get("minItems", 0) or (', "return bool(("),
    "lists never grow": ("raised = new[", "raised = False and new["),
    "items do not change by their parts": ("parts = isinstance(item, (list, dict)) and", "parts = False and"),
}


@pytest.mark.parametrize(("text", "smaller"), SMALLER.values(), ids=SMALLER)
def test_a_relation_that_misses_a_pair_is_noticed(text: str, smaller: str) -> None:
    """Mutation: a relation in which one clause is left out refuses a pair that the table gives."""
    source = Path(migration.__file__).read_text()
    assert source.count(text) == 1
    mutant: dict[str, Any] = {"__name__": migration.__name__}
    exec(compile(source.replace(text, smaller), migration.__file__, "exec"), mutant)
    # The mutant speaks of the same absence.
    mutant["ABSENT"] = ABSENT
    pairs = itertools.chain(family(PLAIN), family(OBJECTS), family(LISTS), family(LISTS_OF_OBJECTS))
    choices = itertools.product(pairs, itertools.product([True, False], repeat=2))
    specs = ((spec(old, was), spec(new, is_now)) for (old, new), (was, is_now) in choices)
    assert any(one and other and refused(one, other, mutant["related_claim"]) for one, other in specs)


@settings(deadline=None)
@given(st.sampled_from(SCHEMAS), st.sampled_from(SCHEMAS), st.booleans(), st.booleans())
def test_any_change_of_one_claim_is_read_as_the_table_says(old: Any, new: Any, was: bool, is_now: bool) -> None:
    one, other = spec(old, was), spec(new, is_now)
    assert one is not None
    assert other is not None
    assert not refused(one, other)
    step = ClaimStep("c", "c", one, other)
    for before in held(one):
        assert any(related_claim(step, before, after, released=(True, True)) for after in held(other))


@settings(deadline=None)
@given(st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.booleans(), st.booleans())
def test_of_scalars_the_relation_is_no_larger_than_the_table(old: Any, new: Any, was: bool, is_now: bool) -> None:
    """What the table does not give is refused, but that an absent claim may gain a new value."""
    one, other = spec(old, was), spec(new, is_now)
    assert one is not None
    assert other is not None
    for before in held(one):
        wanted = [*table(one, other, before)] + (fresh(old, new) if before is ABSENT else [])
        for after in held(other):
            if related_claim(ClaimStep("c", "c", one, other), before, after, released=(True, True)):
                assert any(after is given or same_json(after, given) for given in wanted), (before, after)


@settings(deadline=None)
@given(st.sampled_from([*PLAIN, *OBJECTS]), st.sampled_from([*PLAIN, *OBJECTS]), st.booleans(), st.booleans())
def test_of_scalars_and_objects_the_way_back_is_the_mirror(old: Any, new: Any, was: bool, is_now: bool) -> None:
    """Law: whoever may get `after` for `before` may get `before` for `after` when the change is taken back."""
    one, other = spec(old, was), spec(new, is_now)
    assert one is not None
    assert other is not None
    there, back = ClaimStep("c", "c", one, other), ClaimStep("c", "c", other, one)
    for before, after in itertools.product(held(one), held(other)):
        assert related_claim(there, before, after, released=(True, True)) is related_claim(
            back, after, before, released=(True, True)
        )


NAMES = ["one", "two", "three"]


@settings(deadline=None)
@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_scopes_are_read_as_a_list_vocabulary(old: set[str], new: set[str]) -> None:
    one = many(words(*sorted(old)), 3, uniqueItems=True) if old else None
    other = many(words(*sorted(new)), 3, uniqueItems=True) if new else None
    assume(one is not None and other is not None)
    assert one is not None
    assert other is not None
    before_contract, after_contract = contract(scopes=old), contract(scopes=new)
    for size in range(len(old) + 1):
        for before in itertools.combinations(sorted(old), size):
            for after in lists(one, other, [*before]):
                if conforms(other, after):
                    assert scopes_related(before_contract, after_contract, frozenset(before), frozenset(after))


def contract(claims: dict[str, Any] | None = None, scopes: Any = ()) -> Contract:
    document = {
        **SHOP,
        "claims": claims or {"role": {"schema": words("a", "b")}},
        "scopes": scopes if isinstance(scopes, dict) else {name: {"claims": []} for name in scopes},
    }
    return parse_contract(yaml.safe_dump(document), Path("x.yaml"), named=False)


NONE: frozenset[str] = frozenset()


def test_a_renamed_claim_changes_as_one_of_the_same_name() -> None:
    old = contract({"role": {"required": True, "schema": words("a", "b")}})
    new = contract({"rank": {"required": True, "schema": words("b", "c"), "renamed_from": "role"}})
    found = {
        (before, after)
        for before in "ab"
        for after in "bc"
        if related(old, new, (NONE, {"role": before}), (NONE, {"rank": after}))
    }
    assert found == {("a", "b"), ("a", "c"), ("b", "b"), ("b", "c")}
    assert not related(old, new, (NONE, {"role": "a"}), (NONE, {}))


def test_a_claim_that_moves_into_the_access_token_comes_with_any_value() -> None:
    def at(kind: str) -> Contract:
        return contract({"role": {"required": True, "schema": words("a", "b"), "tokens": [kind]}})

    inside, outside = at("access_token"), at("id_token")
    assert all(related(outside, inside, (NONE, {}), (NONE, {"role": one})) for one in "ab")
    assert not related(outside, inside, (NONE, {}), (NONE, {}))
    assert all(related(inside, outside, (NONE, {"role": one}), (NONE, {})) for one in "ab")
    assert not related(inside, outside, (NONE, {"role": "a"}), (NONE, {"role": "a"}))


def test_a_claim_that_another_scope_releases_keeps_its_value_where_both_do() -> None:
    def by(scope: str) -> Contract:
        claims = {"role": {"required": True, "schema": words("a", "b")}}
        return contract(claims, {name: {"claims": ["role"] if name == scope else []} for name in ("read", "write")})

    old, new = by("read"), by("write")
    both, read, write = frozenset({"read", "write"}), frozenset({"read"}), frozenset({"write"})
    assert related(old, new, (both, {"role": "a"}), (both, {"role": "a"}))
    assert not related(old, new, (both, {"role": "a"}), (both, {"role": "b"}))
    assert all(related(old, new, (write, {}), (write, {"role": one})) for one in "ab")
    assert related(old, new, (read, {"role": "a"}), (read, {}))
    assert not related(old, new, (read, {"role": "a"}), (read, {"role": "a"}))


def test_registered_claims_are_no_claims_that_policy_sees() -> None:
    old = contract({"sub": {"schema": words("a")}, "role": {"schema": words("a")}})
    new = contract({"sub": {"schema": words("a", "b")}, "role": {"schema": words("a")}})
    assert [step.name_before for step in claim_steps(old, new)] == ["role"]
    step = identity_step(old, new, "sub")
    assert related_claim(step, "a", "b", released=(True, True))
    assert not related_claim(step, "b", "b", released=(True, True))
    client = identity_step(old, new, "client_id")
    assert client.same
    assert not related_claim(client, "a", "b", released=(True, True))
