"""What a schema permits is tried: all of it where it is little, and where a policy could turn where it is much."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.contract import conforms
from entitlements.model import same_json
from entitlements.proof.enumeration.covering_rows import pairwise
from entitlements.proof.enumeration.values import Pool, listed, values

EMPTY = Pool((), ())
VOCABULARY = st.lists(st.sampled_from(["a", "b", "c", 1, 2, True]), min_size=1, max_size=3, unique_by=repr).map(
    lambda words: {"enum": words}
)
SCALARS = st.one_of(
    VOCABULARY,
    st.just({"type": "boolean"}),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-3, 3),
        st.integers(0, 3),
    ),
)
LISTS = st.builds(
    lambda items, low, size, unique: {
        "type": "array",
        "items": items,
        "minItems": low,
        "maxItems": max(low, size),
        **({"uniqueItems": True} if unique else {}),
    },
    SCALARS,
    st.integers(0, 1),
    st.integers(0, 3),
    st.booleans(),
)
OBJECTS = st.builds(
    lambda one, other, required: {
        "type": "object",
        "properties": {"one": one, "other": other},
        "required": required,
        "additionalProperties": False,
    },
    SCALARS,
    SCALARS,
    st.sampled_from([[], ["one"], ["one", "other"]]),
)
SCHEMAS = st.one_of(SCALARS, LISTS, OBJECTS)


def everything(schema: dict[str, Any]) -> list[Any]:
    """Every permitted value, found by trying all that can be made of a few scalars."""
    scalars = ["a", "b", "c", "d", True, False, *range(-4, 8)]
    if "enum" in schema or schema["type"] in ("boolean", "integer"):
        candidates: Any = scalars
    elif schema["type"] == "array":
        items = everything(schema["items"])
        candidates = (list(c) for size in range(4) for c in itertools.product(items, repeat=size))
    else:
        ones, others = (everything(schema["properties"][name]) for name in ("one", "other"))
        pairs = itertools.product([*((one,) for one in ones), ()], [*((other,) for other in others), ()])
        candidates = ({**({"one": o[0]} if o else {}), **({"other": p[0]} if p else {})} for o, p in pairs)
    return [value for value in candidates if conforms(schema, value)]


def among(value: Any, found: tuple[Any, ...]) -> bool:
    return any(same_json(value, other) for other in found)


@given(SCHEMAS)
def test_a_schema_that_counts_as_listed_has_all_its_values(schema: dict[str, Any]) -> None:
    """A proof stands on this: nothing that is permitted may be missing."""
    if listed(schema):
        found = values(schema, EMPTY)
        missing = [value for value in everything(schema) if not among(value, found)]
        assert not missing


@given(LISTS)
def test_without_order_one_list_stands_for_all_its_orders(schema: dict[str, Any]) -> None:
    if listed(schema, ordered=False):
        found = values(schema, EMPTY, ordered=False)
        orders = [list(order) for value in found if isinstance(value, list) for order in itertools.permutations(value)]
        missing = [value for value in everything(schema) if not among(value, tuple(orders))]
        assert not missing


@given(SCHEMAS, st.integers(1, 24))
def test_values_are_permitted_distinct_and_no_more_than_asked_for(schema: dict[str, Any], limit: int) -> None:
    found = values(schema, EMPTY, limit=limit)
    assert len(found) <= limit
    assert all(conforms(schema, value) for value in found)
    assert all(not same_json(one, other) for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize(
    ("schema", "ordered", "wanted"),
    [
        ({"enum": ["a", "b"]}, True, True),
        ({"type": "integer", "minimum": 0, "maximum": 11}, True, True),
        ({"type": "integer", "minimum": 0, "maximum": 12}, True, False),
        ({"type": "integer", "minimum": 0}, True, False),
        ({"type": "number", "minimum": 0, "maximum": 1}, True, False),
        ({"type": "string", "maxLength": 1}, True, False),
        ({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "maxItems": 3}, True, True),
        ({"type": "array", "items": {"enum": list("abcd")}, "uniqueItems": True, "maxItems": 4}, True, False),
        ({"type": "array", "items": {"enum": list("abcd")}, "uniqueItems": True, "maxItems": 4}, False, True),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}, True, True),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 4}, False, False),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, False, False),
        ({"type": "object", "properties": {"a": {"type": "boolean"}}}, True, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True, False),
    ],
)
def test_what_counts_as_listed(schema: dict[str, Any], ordered: bool, wanted: bool) -> None:
    assert listed(schema, ordered=ordered) is wanted


@pytest.mark.parametrize(
    ("schema", "pool", "wanted"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 99}, (50,), [0, 99, 1, 98, 49, 50, 51]),
        ({"type": "number", "minimum": 0, "maximum": 3}, (2,), [0, 3, 2, 2.5, 1]),
        ({"type": "integer", "exclusiveMinimum": 4}, (), [5]),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0}, (), [0, 0.5]),
    ],
)
def test_numbers_at_which_a_policy_could_turn_are_tried(
    schema: dict[str, Any], pool: tuple[float, ...], wanted: list[float]
) -> None:
    found = values(schema, Pool((), pool))
    assert all(among(value, found) for value in wanted)


def test_texts_are_fresh_ones_and_those_that_a_policy_names() -> None:
    found = values({"type": "string", "maxLength": 8}, Pool(("gold", "far too long"), ()))
    assert "gold" in found
    assert "far too long" not in found
    assert any(text not in ("gold", "") for text in found)


def test_a_pattern_gives_texts_that_match_it() -> None:
    schema = {"type": "string", "pattern": "^t_[a-z0-9]{1,20}$"}
    found = values(schema, Pool.of([], [schema]))
    assert len(found) >= 2
    assert all(str(text).startswith("t_") for text in found)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_pairwise_rows_hold_every_pair(sizes: list[int]) -> None:
    rows = list(pairwise(sizes))
    for one, other in itertools.combinations(range(len(sizes)), 2):
        wanted = set(itertools.product(range(sizes[one]), range(sizes[other])))
        assert {(row[one], row[other]) for row in rows} == wanted
