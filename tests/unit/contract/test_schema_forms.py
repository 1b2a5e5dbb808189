"""Maps, unions and null in a claim's schema: what is permitted, and what is not with its place."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.contract import alternatives, conforms, has_map
from entitlements.contract.schema_subset import faults, normalised

MAP: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z]+$"},
    "additionalProperties": {"type": "string"},
    "maxProperties": 2,
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in MAP.items() if key != name}


@pytest.mark.parametrize(
    "schema",
    [
        MAP,
        {"type": "null"},
        {"type": ["string", "null"], "maxLength": 3},
        {"type": ["array", "string"], "items": {"type": "string"}, "maxItems": 2, "maxLength": 3},
        {**MAP, "type": ["null", "object"]},
        {**MAP, "additionalProperties": MAP},
        {"type": "object", "properties": {"by": MAP}},
        {"type": ["integer", "string"], "enum": [1, "a"]},
    ],
    ids=str,
)
def test_what_can_be_decided_is_permitted(schema: dict[str, Any]) -> None:
    assert [*faults(schema, ())] == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": ["string"]}, ("type",)),
        ({"type": []}, ("type",)),
        ({"type": ["string", "string"]}, ("type",)),
        ({"type": ["integer", "number"]}, ("type",)),
        ({"type": ["string", "text"]}, ("type",)),
        ({"type": ["string", None]}, ("type",)),
        ({"type": ["string", "null"], "minimum": 1}, ("minimum",)),
        ({"type": ["integer", "null"], "enum": ["a"]}, ("enum",)),
        ({"type": ["array", "null"]}, ()),
        (without("propertyNames"), ()),
        (without("maxProperties"), ()),
        (without("additionalProperties"), ("propertyNames",)),
        ({**MAP, "additionalProperties": True}, ("additionalProperties",)),
        ({**MAP, "additionalProperties": {"type": "text"}}, ("additionalProperties", "type")),
        ({**MAP, "properties": {"a": {"type": "string"}}}, ("properties",)),
        ({**MAP, "required": ["a"]}, ("required",)),
        ({**MAP, "propertyNames": {"maxLength": 3}}, ("propertyNames",)),
        ({**MAP, "propertyNames": {"pattern": "(?=a)"}}, ("propertyNames", "pattern")),
        ({**MAP, "maxProperties": 0}, ("maxProperties",)),
        ({**MAP, "maxProperties": 1001}, ("maxProperties",)),
        ({**MAP, "maxProperties": True}, ("maxProperties",)),
    ],
    ids=str,
)
def test_what_cannot_be_decided_is_a_fault(schema: dict[str, Any], place: tuple[str, ...]) -> None:
    assert place in [found for found, _ in faults(schema, ())]


def test_a_union_is_its_alternatives() -> None:
    schema = {"type": ["string", "integer", "null"], "maxLength": 2, "minimum": 3}
    forms = alternatives(schema)
    assert [form["type"] for form in forms] == ["integer", "null", "string"]
    for value in ("ab", "abc", 3, 2, None, True, [], {}):
        assert conforms(schema, value) == any(conforms(form, value) for form in forms), value


def test_the_order_of_types_means_nothing() -> None:
    one, other = ({"type": [*kinds], "maxLength": 1} for kinds in (("string", "null"), ("null", "string")))
    assert normalised(one) == normalised(other)


def test_a_map_is_found_wherever_it_stands() -> None:
    assert has_map({"type": "array", "items": {"type": "object", "properties": {"a": MAP}}, "maxItems": 1})
    assert not has_map({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False})
