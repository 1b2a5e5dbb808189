"""The part of JSON Schema 2020-12 that a claim may be described with: what can be decided exactly, no more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from entitlements.contract.keywords import BY_TYPE, KEYWORDS, OF_ANY_TYPE, Takes, taking
from entitlements.contract.schema_forms import is_map, types_of
from entitlements.model import JSON

Path = tuple[str | int, ...]
Found = tuple[Path, str]

FORMATS = frozenset({"email", "uri", "date", "date-time", "uuid", "ipv4", "ipv6", "hostname"})
TYPES = frozenset(BY_TYPE)
COUNTS, NUMBERS = taking(Takes.COUNT), taking(Takes.NUMBER)
_PAIRS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum"))
_OPEN_PAIRS = (
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
)
_KINDS: Mapping[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}
MAX_ITEMS = 1000
_PLAIN_NAME = re.compile(r"[^\x00-\x20\x7f]{1,128}")


def faults(schema: Any, path: Path) -> Iterator[Found]:
    """Everything in a claim's schema that is outside the subset, each with its place."""
    if not isinstance(schema, dict):
        yield path, "a schema must be an object"
        return
    if not {"type", "enum", "const"} & schema.keys():
        yield path, "a schema needs `type`, `enum` or `const`"
    if "type" in schema and not _are_types(schema["type"]):
        yield (*path, "type"), f"`type` must be one of {', '.join(sorted(TYPES))}, or a list of different ones"
        return
    kinds = types_of(schema)
    kind = " or ".join(kinds)
    permitted = OF_ANY_TYPE.union(*(BY_TYPE[one] for one in kinds))
    for keyword, value in schema.items():
        if keyword not in permitted:
            why = (
                f"does not fit the type `{kind}`"
                if keyword in KEYWORDS
                else "is not in the subset that can be decided exactly"
            )
            yield (*path, keyword), f"the keyword `{keyword}` {why}"
        else:
            yield from _keyword(keyword, value, (*path, keyword))
    yield from _bounds(schema, path)
    yield from _values(schema, path)
    if "array" in kinds:
        yield from _array(schema, path)
    if "object" in kinds:
        yield from _map(schema, path) if is_map(schema) else _object(schema, path)


def _are_types(named: Any) -> bool:
    if isinstance(named, str):
        return named in TYPES
    if not isinstance(named, list) or len(named) < 2 or not all(isinstance(one, str) for one in named):
        return False
    # Every integer is a number.
    return {*named} <= TYPES and len({*named}) == len(named) and not {"integer", "number"} <= {*named}


def _bounds(schema: Mapping[str, Any], path: Path) -> Iterator[Found]:
    for low, high in (*_PAIRS, *_OPEN_PAIRS):
        if not (_is_number(schema.get(low)) and _is_number(schema.get(high))):
            continue
        if schema[low] > schema[high] or (schema[low] == schema[high] and (low, high) in _OPEN_PAIRS):
            why = "leaves no number below" if (low, high) in _OPEN_PAIRS else "is greater than"
            yield (*path, low), f"`{low}` {why} `{high}`"


def _values(schema: Mapping[str, Any], path: Path) -> Iterator[Found]:
    """Values that stand beside a type must be of it: another one could never occur."""
    listed = schema.get("enum", [])
    for keyword, values in (("enum", listed), ("const", [schema["const"]] if "const" in schema else [])):
        if (
            "type" in schema
            and isinstance(values, list)
            and not all(any(_is_of(kind, one) for kind in types_of(schema)) for one in values)
        ):
            told = " or ".join(types_of(schema))
            yield (*path, keyword), f"`{keyword}` holds a value that is not of the type `{told}`"


def _is_of(kind: str, value: object) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS.get(kind, ()))


def _keyword(keyword: str, value: Any, path: Path) -> Iterator[Found]:
    if keyword in COUNTS and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        yield path, f"`{keyword}` must be a whole number, 0 or more"
    elif keyword in NUMBERS and not _is_number(value):
        yield path, f"`{keyword}` must be a number"
    elif keyword == "multipleOf" and value <= 0:
        yield path, "`multipleOf` must be greater than 0"
    elif keyword == "enum":
        yield from _enum(value, path)
    elif keyword == "const" and not _is_scalar(value):
        yield path, "`const` must be text, a number or a boolean"
    elif keyword == "pattern":
        yield from _pattern(value, path)
    elif keyword == "format" and not (isinstance(value, str) and value in FORMATS):
        yield path, f"`format` must be one of {', '.join(sorted(FORMATS))}"
    elif keyword == "uniqueItems" and not isinstance(value, bool):
        yield path, "`uniqueItems` must be true or false"
    elif keyword == "description" and not isinstance(value, str):
        yield path, "`description` must be text"
    elif keyword == "additionalProperties" and value is not False and not isinstance(value, dict):
        yield path, "`additionalProperties` must be false, or the schema of a map's values"
    elif keyword == "propertyNames":
        yield from _names(value, path)


def _enum(value: Any, path: Path) -> Iterator[Found]:
    if not isinstance(value, list) or not value:
        yield path, "`enum` must list one value or more"
        return
    if not all(_is_scalar(item) for item in value):
        yield path, "`enum` must list text, numbers or booleans"
    elif len({(type(item) is bool, item) for item in value}) != len(value):
        yield path, "`enum` lists a value twice"


def _pattern(value: Any, path: Path) -> Iterator[Found]:
    if not isinstance(value, str):
        yield path, "`pattern` must be text"
        return
    try:
        compile_validator({"type": "string", "pattern": value})
    except (ValueError, jsonschema_rs.ValidationError):
        yield path, "`pattern` is no regular expression that is decided in linear time"


def _names(value: Any, path: Path) -> Iterator[Found]:
    if not isinstance(value, dict) or {*value} != {"pattern"}:
        yield path, "`propertyNames` must be `{pattern: ...}`"
    else:
        yield from _pattern(value["pattern"], (*path, "pattern"))


def _map(schema: Mapping[str, Any], path: Path) -> Iterator[Found]:
    """An object whose names are data: a pattern for them, a schema for all values, and how many at most."""
    for keyword in ("properties", "required"):
        if keyword in schema:
            yield (*path, keyword), f"a map has no `{keyword}`: its names are data"
    for keyword in ("propertyNames", "maxProperties"):
        if keyword not in schema:
            yield path, f"a map (`additionalProperties` with a schema) needs `{keyword}`"
    if _is_number(schema.get("maxProperties")) and not 1 <= schema["maxProperties"] <= MAX_ITEMS:
        yield (*path, "maxProperties"), f"`maxProperties` must be 1 to {MAX_ITEMS}"
    yield from faults(schema["additionalProperties"], (*path, "additionalProperties"))


def _array(schema: Mapping[str, Any], path: Path) -> Iterator[Found]:
    if "items" in schema:
        yield from faults(schema["items"], (*path, "items"))
    else:
        yield path, "an array needs `items`"
    if "maxItems" not in schema:
        yield path, "an array needs `maxItems`, so that a policy's work is bounded"
    elif _is_number(schema["maxItems"]) and schema["maxItems"] > MAX_ITEMS:
        yield (*path, "maxItems"), f"`maxItems` must be {MAX_ITEMS} at most"


def _object(schema: Mapping[str, Any], path: Path) -> Iterator[Found]:
    for keyword in ("propertyNames", "maxProperties"):
        if keyword in schema:
            yield (*path, keyword), f"`{keyword}` belongs to a map: `additionalProperties` has to be a schema"
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        yield path, "an object needs `properties`"
        return
    for name, inner in properties.items():
        if not _PLAIN_NAME.fullmatch(name):
            yield (*path, "properties"), "a property needs a plain name"
        yield from faults(inner, (*path, "properties", name))
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*path, "required"), "`required` must list names"
        return
    for name in required:
        if name not in properties:
            yield (*path, "required"), f"`required` names `{name}`, which is no property"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, bool, int, float))


def normalised(schema: Any) -> JSON:
    """The schema with its meaningless differences removed: order of sets, prose, defaults, closed objects."""
    if not isinstance(schema, dict):
        return schema  # type: ignore[no-any-return]
    result: dict[str, Any] = {key: value for key, value in schema.items() if key != "description"}
    if "enum" in result:
        result["enum"] = sorted(result["enum"], key=lambda item: (str(type(item)), str(item)))
    if isinstance(result.get("type"), list):
        result["type"] = sorted(result["type"])
    if is_map(result):
        result["additionalProperties"] = normalised(result["additionalProperties"])
    elif "object" in types_of(result):
        result["properties"] = {name: normalised(inner) for name, inner in result["properties"].items()}
        result["required"] = sorted(set(result.get("required", [])))
        result["additionalProperties"] = False
    if "items" in result:
        result["items"] = normalised(result["items"])
    if result.get("uniqueItems") is False:
        del result["uniqueItems"]
    return result


def compile_validator(schema: Mapping[str, JSON]) -> jsonschema_rs.Draft202012Validator:
    """A validator that asserts formats and matches patterns in linear time."""
    return jsonschema_rs.Draft202012Validator(
        dict(schema), validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000)
    )
