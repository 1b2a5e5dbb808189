"""When a walk over the space is a proof: the points are all there is, or nothing that is read differs."""

from __future__ import annotations

from entitlements.model import same_json
from entitlements.proof.space import MANY_PROPERTIES, Space
from entitlements.proof.values import listed


def complete(space: Space) -> bool:
    """Whether the points are all there is: every part that a policy may read is closed and was listed in full."""
    open_parts = (("subject", "id"), ("subject", "client_id"), ("resource", "id"), ("action", "properties"))
    if space.old.request is None or space.new.request is None or any(space.reads(*part) for part in open_parts):
        return False
    if not space.all_listed:
        return False
    claims = all(
        spec is None
        or not space.reads("subject", "claims", spec.name)
        or listed(spec.schema, ordered=space.order_matters(spec.name))
        for step in space.steps
        for spec in (step.before, step.after)
    )
    return claims and all(
        not space.reads(*place, name) or listed(schema, limit=MANY_PROPERTIES)
        for contract in (space.old, space.new)
        if contract.request
        for place, spec in (
            *((("resource", "properties"), spec) for spec in contract.request.resources.values()),
            (("context",), contract.request.context),
        )
        for name, schema in spec.properties.items()
    )


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
        if not same_json(*narrowed) and space.reads("subject", place):
            return False
    scopes = set(space.old.scopes) == set(space.new.scopes) or not space.reads("subject", "scopes")
    bound = any(space.old.released_by.values()) or any(space.new.released_by.values())
    scopes = scopes and (set(space.old.scopes) == set(space.new.scopes) or not bound)
    requests = same_json(space.old.canonical["request"], space.new.canonical["request"])
    return scopes and requests and not space.reads("contract")
