"""What changed between two schemas of the subset that a claim may be described with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract.change_rules import Change
from entitlements.contract.keywords import KEYWORDS, Bound
from entitlements.contract.schema_forms import is_map, types_of
from entitlements.model import same_json

_BOUNDS = [(end, one) for end in Bound for one in KEYWORDS.values() if one.bound is end]


def schema_changes(old: Mapping[str, Any], new: Mapping[str, Any], place: str, claim: str) -> Iterator[Change]:
    """What changed between two schemas of the subset; nothing for equal ones."""
    if same_json(old, new):
        return
    if retyped(old, new):
        cardinality = ("array" in types(old)) != ("array" in types(new))
        yield Change(
            "claim_cardinality_changed" if cardinality else "claim_retyped", place, claim, dict(old), dict(new)
        )
        return
    yield from _enum_changes(old, new, place, claim)
    yield from _bounds(old, new, place, claim)
    yield from _text(old, new, place, claim)
    if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
        yield from schema_changes(old["items"], new["items"], f"{place}.items", claim)
    if is_map(old) and is_map(new):
        yield from _text(old["propertyNames"], new["propertyNames"], f"{place}.propertyNames", claim)
        inner = f"{place}.additionalProperties"
        yield from schema_changes(old["additionalProperties"], new["additionalProperties"], inner, claim)
    if "properties" in old and "properties" in new:
        yield from _properties(old, new, place, claim)


def retyped(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether values of another type are permitted.

    Of an enum that gained or lost one of several types its values tell.
    """
    kinds = types(old), types(new)
    if _values(old) is not None and _values(new) is not None:
        return not (kinds[0] <= kinds[1] or kinds[1] <= kinds[0])
    return kinds[0] != kinds[1]


def types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a schema permits; the numbers of an enum are `integer` where all of them are whole."""
    if "type" in schema:
        return frozenset("map" if one == "object" and is_map(schema) else one for one in types_of(schema))
    values = _values(schema) or []
    numbers = [value for value in values if not isinstance(value, (bool, str))]
    number = "integer" if all(value == int(value) for value in numbers) else "number"
    return frozenset(
        "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else number for value in values
    )


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """The enum of a schema, or None where it has none."""
    if "enum" in schema:
        return list(schema["enum"])
    return [schema["const"]] if "const" in schema else None


def _enum_changes(old: Mapping[str, Any], new: Mapping[str, Any], place: str, claim: str) -> Iterator[Change]:
    before, after = _values(old), _values(new)
    if before is None and after is None:
        return
    path = f"{place}.enum"
    if before is None or after is None:
        rule = "enum_value_added" if after is None else "enum_value_removed"
        yield Change(rule, path, claim, before, after)
        return
    keys = [{(isinstance(value, bool), value) for value in values} for values in (before, after)]
    for value in before:
        if (isinstance(value, bool), value) not in keys[1]:
            yield Change("enum_value_removed", path, claim, value, None)
    for value in after:
        if (isinstance(value, bool), value) not in keys[0]:
            yield Change("enum_value_added", path, claim, None, value)


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], place: str, claim: str) -> Iterator[Change]:
    for end, keyword in _BOUNDS:
        before, after = old.get(keyword.name), new.get(keyword.name)
        if before == after:
            continue
        relaxed = after is None or (before is not None and (after - before) * end.value > 0)
        relaxing, tightening = keyword.rules
        yield Change(relaxing if relaxed else tightening, f"{place}.{keyword.name}", claim, before, after)
    if old.get("uniqueItems") != new.get("uniqueItems"):
        rule = "list_tightened" if new.get("uniqueItems") else "list_relaxed"
        yield Change(rule, f"{place}.uniqueItems", claim, old.get("uniqueItems"), new.get("uniqueItems"))
    if old.get("multipleOf") != new.get("multipleOf"):
        yield Change("step_changed", f"{place}.multipleOf", claim, old.get("multipleOf"), new.get("multipleOf"))


def _text(old: Mapping[str, Any], new: Mapping[str, Any], place: str, claim: str) -> Iterator[Change]:
    before, after = old.get("pattern"), new.get("pattern")
    if before != after:
        rule = "pattern_relaxed" if after is None else "pattern_tightened" if before is None else "pattern_changed"
        yield Change(rule, f"{place}.pattern", claim, before, after)
    if old.get("format") != new.get("format"):
        yield Change("format_changed", f"{place}.format", claim, old.get("format"), new.get("format"))


def _properties(old: Mapping[str, Any], new: Mapping[str, Any], place: str, claim: str) -> Iterator[Change]:
    required = {*old.get("required", ())}, {*new.get("required", ())}
    for name, schema in old["properties"].items():
        path = f"{place}.properties.{name}"
        if name not in new["properties"]:
            yield Change("property_removed", path, claim, schema, None)
            continue
        if (name in required[0]) != (name in required[1]):
            rule = "property_made_required" if name in required[1] else "property_made_optional"
            yield Change(rule, path, claim, name in required[0], name in required[1])
        yield from schema_changes(schema, new["properties"][name], path, claim)
    for name, schema in new["properties"].items():
        if name not in old["properties"]:
            yield Change("property_added", f"{place}.properties.{name}", claim, None, schema)
