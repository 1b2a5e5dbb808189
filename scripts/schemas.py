"""Writes the JSON Schemas of contract, approvals and lock from the shapes that load them (`make reference`).

A test holds the files to this. What only the loader can tell (references between parts, say) is left out.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, validate

from entitlements.contract import approvals, lock, schema_subset, shape
from entitlements.contract.keywords import BY_TYPE, OF_ANY_TYPE

FOLDER = Path(__file__).resolve().parents[1] / "entitlements" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_STRING = {"type": "string"}
# A field whose shape is checked elsewhere in the loader.
_RAW: Mapping[str, dict[str, Any]] = {
    "schema": {"$ref": "#/$defs/value"},
    "marker": {"type": ["object", "string"]},
    "as": {
        "anyOf": [
            {"enum": ["words", "set"]},
            {
                "type": "object",
                "required": ["member"],
                "additionalProperties": False,
                "properties": {"member": _STRING},
            },
            {"type": "array", "minItems": 1},
        ]
    },
}
_CHECKS: Mapping[Any, dict[str, Any]] = {
    shape._distinct: {"uniqueItems": True},
    shape._plain_text: {"pattern": r"^[^\x00-\x20\x7f]{1,1024}$"},
    shape._absolute_url: {
        "pattern": r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])([:/]|$))[^\x00-\x20\x7f?#]*$"
    },
}


def documents() -> dict[str, dict[str, Any]]:
    """Each schema by its name."""
    contract = {**_document("contract", "A claim contract", shape.ContractShape()), "$defs": {"value": _value()}}
    return {
        "contract": contract,
        "approvals": _document("approvals", "Accepted findings of version steps", approvals._ApprovalsShape()),
        "lock": _document("lock", "contracts.lock, which only `entitlements contract lock` writes", lock._LockShape()),
    }


def text(document: Mapping[str, Any]) -> str:
    """A schema as its file has it."""
    return json.dumps(document, indent=2) + "\n"


def _document(name: str, title: str, loaded: Schema) -> dict[str, Any]:
    return {"$schema": _DIALECT, "$id": f"urn:entitlements:schema:{name}", "title": title, **_object(loaded)}


def _object(loaded: Schema) -> dict[str, Any]:
    properties = {field.data_key or name: _field(name, field) for name, field in loaded.fields.items()}
    prose = (inspect.getdoc(type(loaded)) or "").partition("\n")[0]
    told = {"description": prose} if prose and type(loaded).__doc__ is not Schema.__doc__ else {}
    return {
        **told,
        "type": "object",
        "additionalProperties": False,
        "required": [field.data_key or name for name, field in loaded.fields.items() if field.required],
        "properties": properties,
    }


def _field(name: str, field: fields.Field[Any]) -> dict[str, Any]:
    found = dict(_RAW[name]) if type(field) is fields.Raw else _typed(field)
    for check in field.validators:
        found |= _checked(check)
    if found.get("type") == "array":
        found = {{"minLength": "minItems", "maxLength": "maxItems"}.get(key, key): rule for key, rule in found.items()}
    return {"anyOf": [found, {"type": "null"}]} if field.allow_none else found


def _typed(field: fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, fields.Nested):
        return _object(field.schema)
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field("", field.inner)}
    if isinstance(field, fields.Dict):
        value = field.value_field
        inner = {"$ref": "#/$defs/value"} if type(value) is fields.Raw else _field("", value)  # type: ignore[arg-type]
        names = {key: rule for check in field.key_field.validators for key, rule in _checked(check).items()}  # type: ignore[union-attr]
        return {"type": "object", "additionalProperties": inner, **({"propertyNames": names} if names else {})}
    if isinstance(field, fields.Date):
        return {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    kinds = {fields.Integer: "integer", shape.Boolean: "boolean", fields.String: "string"}
    return {"type": next(kind for known, kind in kinds.items() if isinstance(field, known))}


def _checked(check: Any) -> dict[str, Any]:
    if isinstance(check, validate.And):
        return {key: rule for one in check.validators for key, rule in _checked(one).items()}
    if isinstance(check, validate.Regexp):
        return {"pattern": _pattern(check.regex.pattern)}
    if isinstance(check, validate.OneOf):
        return {"enum": [*check.choices]}
    if isinstance(check, validate.Length):
        return {"minLength": check.min, "maxLength": check.max}
    if isinstance(check, validate.Range):
        return {"minimum": check.min, "maximum": check.max}
    return _CHECKS[check]


def _pattern(python: str) -> str:
    """A pattern of ours in the syntax of ECMA 262, which editors have."""
    found = re.sub(r"\\A", "^", re.sub(r"\\Z", "$", python))
    return found.removeprefix("(?s).*")


def _value() -> dict[str, Any]:
    """The subset of JSON Schema that a claim is described with."""
    found: dict[str, Any] = {
        "description": "The subset of JSON Schema that can be decided exactly.",
        "type": "object",
        "anyOf": [{"required": [name]} for name in ("type", "enum", "const")],
        "properties": {"type": _types(), **_keywords()},
        "additionalProperties": False,
        "allOf": [_of_kind(kind, permitted) for kind, permitted in BY_TYPE.items()],
    }
    any_type = dict.fromkeys(sorted(OF_ANY_TYPE), True)
    found["allOf"].append({"if": {"not": {"required": ["type"]}}, "then": {"propertyNames": {"enum": [*any_type]}}})
    return found


def _types() -> dict[str, Any]:
    """One type, or different ones. Every integer is a number, so that these two are not different."""
    one = {"enum": sorted(schema_subset.TYPES)}
    both = {"allOf": [{"contains": {"const": kind}} for kind in ("integer", "number")]}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "uniqueItems": True, "not": both}]}


def _of_kind(kind: str, permitted: frozenset[str]) -> dict[str, Any]:
    """What a schema of one type holds; in a union the keywords of its other types, too."""
    alone = {"required": ["type"], "properties": {"type": {"const": kind}}}
    among = {"required": ["type"], "properties": {"type": {"anyOf": [{"const": kind}, _holding(kind)]}}}
    names = {"propertyNames": {"enum": sorted(OF_ANY_TYPE | permitted)}}
    rules: list[dict[str, Any]] = [{"if": alone, "then": names}]
    if kind == "array":
        rules.append({"if": among, "then": {"required": ["items", "maxItems"]}})
    if kind == "object":
        rules.append({"if": among, "then": {"anyOf": [_closed(), _map()]}})
    return rules[0] if len(rules) == 1 else {"allOf": rules}


def _holding(kind: str) -> dict[str, Any]:
    return {"type": "array", "contains": {"const": kind}}


def _closed() -> dict[str, Any]:
    absent = [{"required": [name]} for name in ("propertyNames", "maxProperties")]
    return {
        "required": ["properties"],
        "properties": {"additionalProperties": {"const": False}},
        "not": {"anyOf": absent},
    }


def _map() -> dict[str, Any]:
    return {
        "required": ["additionalProperties", "propertyNames", "maxProperties"],
        "properties": {"additionalProperties": {"type": "object"}},
        "not": {"anyOf": [{"required": [name]} for name in ("properties", "required")]},
    }


def _keywords() -> dict[str, Any]:
    scalar = {"type": ["string", "number", "boolean"]}
    found: dict[str, Any] = {name: {"type": "number"} for name in sorted(schema_subset.NUMBERS)}
    found |= {name: {"type": "integer", "minimum": 0} for name in sorted(schema_subset.COUNTS)}
    return {
        **found,
        "multipleOf": {"type": "number", "exclusiveMinimum": 0},
        "maxItems": {"type": "integer", "minimum": 0, "maximum": schema_subset.MAX_ITEMS},
        "enum": {"type": "array", "minItems": 1, "uniqueItems": True, "items": scalar},
        "const": scalar,
        "pattern": _STRING,
        "format": {"enum": sorted(schema_subset.FORMATS)},
        "uniqueItems": {"type": "boolean"},
        "description": _STRING,
        "items": {"$ref": "#/$defs/value"},
        "properties": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/value"}},
        "required": {"type": "array", "items": _STRING},
        "additionalProperties": {"anyOf": [{"const": False}, {"$ref": "#/$defs/value"}]},
        "propertyNames": {
            "type": "object",
            "required": ["pattern"],
            "additionalProperties": False,
            "properties": {"pattern": _STRING},
        },
        "maxProperties": {"type": "integer", "minimum": 1, "maximum": schema_subset.MAX_ITEMS},
    }


if __name__ == "__main__":
    for name, document in documents().items():
        (FOLDER / f"{name}.json").write_text(text(document), encoding="utf-8")
        sys.stdout.write(f"wrote {FOLDER / name}.json\n")
