"""What a schema is made of: the alternatives of a union of types, and maps, objects whose names are data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract.keywords import BY_TYPE


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The types that a schema names: none, one, or those of a union."""
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One schema for each type of a union, with the keywords that speak of it; the schema itself where it is none."""
    types = types_of(schema)
    if len(types) < 2 or "enum" in schema or "const" in schema:
        return [schema]
    return [
        {"type": one, **{word: value for word, value in schema.items() if word in BY_TYPE[one]}}
        for one in sorted(types)
    ]


def is_map(schema: Mapping[str, Any]) -> bool:
    """Whether it permits objects with open names."""
    return "object" in types_of(schema) and isinstance(schema.get("additionalProperties"), Mapping)


def has_map(schema: Mapping[str, Any]) -> bool:
    """Whether there is a map anywhere in it."""
    return is_map(schema) or any(map(has_map, parts(schema)))


def parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas of what a value consists of: items, properties, values of a map."""
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()):
        if isinstance(inner, Mapping):
            yield inner
