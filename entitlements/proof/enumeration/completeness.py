"""When an enumeration of the space is a proof: the scenarios are all there is, or nothing that is read differs."""

from __future__ import annotations

from collections.abc import Iterator

from entitlements.contract import ObjectSpec
from entitlements.model import CONTEXT_TIME, same_json
from entitlements.proof.enumeration.moments import sees_times, zones_of
from entitlements.proof.enumeration.space import MANY_PROPERTIES, Space, same_typing
from entitlements.proof.enumeration.values import listed
from entitlements.proof.migration import ClaimStep, identity_step

_IDENTITIES = (("sub", "id"), ("client_id", "client_id"))


def complete(space: Space) -> bool:
    """Whether the points are all there is: every part that a policy may read is closed and was listed in full."""
    if space.old.request is None or space.new.request is None or not space.all_listed:
        return False
    if any(space.reads(*part) for part in (("resource", "id"), ("action", "properties"))):
        return False
    timed = bool(zones_of(space.old, space.new))
    if timed and (space.reads("context", CONTEXT_TIME) or sees_times(space.old, space.new)):
        return False
    return _claims_listed(space) and _requests_listed(space)


def _claims_listed(space: Space) -> bool:
    read = [step for step in space.steps if space.reads_claim(step)]
    identities = [
        identity_step(space.old, space.new, name) for name, place in _IDENTITIES if space.reads("subject", place)
    ]
    return all(
        spec is None or listed(spec.schema, ordered=space.order_matters(step.name_before, step.name_after))
        for step in (*read, *identities)
        for spec in (step.before, step.after)
    )


def _requests_listed(space: Space) -> bool:
    return all(
        listed(schema, limit=MANY_PROPERTIES)
        for place, specs in _typed_parts(space)
        for spec in specs
        for name, schema in spec.properties.items()
        if space.reads(*place, name) or not same_typing(specs, name)
    )


def _typed_parts(space: Space) -> Iterator[tuple[tuple[str, ...], list[ObjectSpec]]]:
    """Each closed part of a request, as the contracts type it that do."""
    requests = [contract.request for contract in (space.old, space.new) if contract.request]
    for kind in {kind for request in requests for kind in request.resources}:
        yield ("resource", "properties"), [one.resources[kind] for one in requests if kind in one.resources]
    yield ("context",), [request.context for request in requests]


def _seen_elsewhere(step: ClaimStep) -> bool:
    return step.before is not None and step.after is not None and step.before.actor != step.after.actor


def unread(space: Space) -> bool:
    """Whether nothing that a policy may read differs between the contracts: then neither can a decision."""
    for step in space.steps:
        moved = step.name_before != step.name_after or not step.same or _seen_elsewhere(step)
        if space.reads_claim(step) and (
            moved or space.old.released_by[step.name_before] != space.new.released_by[step.name_after]
        ):
            return False
    for name, place in _IDENTITIES:
        if space.reads("subject", place) and not identity_step(space.old, space.new, name).same:
            return False
    scopes = set(space.old.scopes) == set(space.new.scopes) or not space.reads("subject", "scopes")
    bound = any(space.old.released_by.values()) or any(space.new.released_by.values())
    scopes = scopes and (set(space.old.scopes) == set(space.new.scopes) or not bound)
    if space.old.time != space.new.time and space.reads("context", CONTEXT_TIME):
        return False
    requests = same_json(space.old.canonical["request"], space.new.canonical["request"])
    issuers = space.old.profile.issuer == space.new.profile.issuer or not space.reads("subject", "issuer")
    return scopes and requests and issuers and not space.reads("contract")
