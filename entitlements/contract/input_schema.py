"""The shape of the policy input that a contract permits, as the JSON Schema that `opa check --schema` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entitlements.contract.actor import current_actor
from entitlements.contract.document import Contract
from entitlements.contract.schema_forms import is_map, types_of
from entitlements.contract.trusted_time import PARTS
from entitlements.model import CONTEXT_TIME, JSON

# OPA's type checker knows structure, not values.
_STRUCTURE = frozenset({"type", "properties", "items", "required", "additionalProperties"})
_JSON_TYPES = {bool: "boolean", str: "string", int: "number", float: "number"}


def input_schema(contract: Contract) -> dict[str, Any]:
    """The JSON Schema of design's policy input for one contract, closed wherever the contract closes it."""
    claims = {
        name: _structure(claim.schema)
        for name, claim in contract.claims.items()
        if "access_token" in claim.tokens and name not in contract.unseen and not claim.actor
    }
    text: dict[str, Any] = {"type": "string"}
    request = contract.request
    resource_properties: dict[str, Any] = {"type": "object"}
    context: dict[str, Any] = {"type": "object"}
    if request is not None:
        merged: dict[str, Any] = {}
        for spec in request.resources.values():
            for name, schema in spec.properties.items():
                merged.setdefault(name, _structure(schema))
        resource_properties = _closed(merged)
        context = _closed({name: _structure(schema) for name, schema in request.context.properties.items()})
    if contract.time is not None:
        context = {**context, "properties": {**context.get("properties", {}), CONTEXT_TIME: _TIME}}
    action = {"name": text} if request is not None else {"name": text, "properties": {"type": "object"}}
    return _closed(
        {
            "subject": _closed(
                {
                    "type": text,
                    "id": text,
                    "claims": _closed(claims),
                    "scopes": {"type": "array", "items": text},
                    "client_id": text,
                    "issuer": text,
                    **_actor(contract),
                }
            ),
            "action": _closed(action),
            "resource": _closed({"type": text, "id": text, "properties": resource_properties}),
            "context": context,
            "contract": _closed({"name": text, "version": text}),
        }
    )


def _actor(contract: Contract) -> dict[str, Any]:
    if contract.actor is None:
        return {}
    schema = _structure(contract.actor.schema)
    return {"actor": {**schema, "properties": current_actor(schema["properties"])}}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


_TIME = _closed({name: {"type": "number" if kind == "integer" else kind} for name, kind in PARTS.items()})


def _structure(schema: Mapping[str, JSON]) -> dict[str, Any]:
    """The schema without what OPA's type checker does not read; a type is derived where only values are given.

    Of a union nothing is said, and of a map only that it is an object.
    """
    if len(types_of(schema)) > 1:
        return {}
    if is_map(schema):
        return {"type": "object"}
    result: dict[str, Any] = {key: value for key, value in schema.items() if key in _STRUCTURE}
    result.pop("required", None)
    if "type" not in result:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        kinds = {_JSON_TYPES[type(value)] for value in values} if isinstance(values, list) else set()
        if len(kinds) == 1:
            result["type"] = kinds.pop()
    elif result["type"] == "integer":
        result["type"] = "number"
    if isinstance(result.get("properties"), dict):
        result["properties"] = {name: _structure(inner) for name, inner in result["properties"].items()}
    if isinstance(result.get("items"), dict):
        result["items"] = _structure(result["items"])
    return result
