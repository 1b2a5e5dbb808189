"""When a walk over the space is a proof: the points are all there is, or nothing that is read differs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from entitlements.contract import ClaimSpec
from entitlements.proof.space import Space

_MANY_LISTS = 16


def complete(space: Space) -> bool:
    """Whether the points are all there is: every part that a policy may read is closed and was listed in full."""
    open_parts = (("subject", "id"), ("subject", "client_id"), ("resource", "id"), ("action", "properties"))
    if space.old.request is None or space.new.request is None or any(space.reads(*part) for part in open_parts):
        return False
    if not space.all_listed:
        return False
    claims = all(
        spec is None or not space.reads("subject", "claims", spec.name) or _listed(space, spec)
        for step in space.steps
        for spec in (step.before, step.after)
    )
    return claims and all(
        not space.reads(*place, name) or _finite(schema, ordered=True, limit=12)
        for contract in (space.old, space.new)
        if contract.request
        for place, spec in (
            *((("resource", "properties"), spec) for spec in contract.request.resources.values()),
            (("context",), contract.request.context),
        )
        for name, schema in spec.properties.items()
    )


def _listed(space: Space, spec: ClaimSpec) -> bool:
    path = ("subject", "claims", spec.name)
    reads = [
        read
        for reading in space.readings
        for read in reading.reads
        if read.path[:3] == path or read.path == path[: len(read.path)]
    ]
    ordered = any(read.how != "membership" or read.path != path for read in reads)
    return _finite(spec.schema, ordered=ordered, limit=24)


def unread(space: Space) -> bool:
    """Whether nothing that a policy may read differs between the contracts: then neither can a decision."""
    for step in space.steps:
        read = any(space.reads("subject", "claims", name) for name in (step.name_before, step.name_after))
        moved = step.name_before != step.name_after or not step.same
        if read and (moved or space.old.released_by[step.name_before] != space.new.released_by[step.name_after]):
            return False
    for name, place in (("sub", "id"), ("client_id", "client_id")):
        narrowed = [
            contract.claims[name].schema if name in contract.claims else None for contract in (space.old, space.new)
        ]
        if narrowed[0] != narrowed[1] and space.reads("subject", place):
            return False
    scopes = set(space.old.scopes) == set(space.new.scopes) or not space.reads("subject", "scopes")
    bound = any(space.old.released_by.values()) or any(space.new.released_by.values())
    scopes = scopes and (set(space.old.scopes) == set(space.new.scopes) or not bound)
    return scopes and space.old.request == space.new.request and not space.reads("contract")


def _finite(schema: Mapping[str, Any], *, ordered: bool, limit: int) -> bool:
    """Whether `values` lists every permitted value of a schema. ordered: whether a list's order may matter."""
    kind = schema.get("type")
    if "enum" in schema or "const" in schema or kind == "boolean":
        return len(schema.get("enum", ())) <= limit
    if kind == "integer":
        return {"minimum", "maximum"} <= schema.keys() and schema["maximum"] - schema["minimum"] <= 3
    if kind == "array":
        items = schema["items"]
        if "enum" not in items or not schema.get("uniqueItems") or ordered:
            return False
        number = len(items["enum"])
        return sum(math.comb(number, size) for size in range(schema["maxItems"] + 1)) <= _MANY_LISTS
    return False
