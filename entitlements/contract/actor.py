"""Who acts for the subject: the claim `act` (RFC 8693 section 4.1), which policies see as `input.subject.actor`.

A chain of actors is as long as the schema nests, and no longer. Policies see the current actor alone: prior ones are
for information, and no access decision may consider them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract.sources import MEMBERS

ACT = "act"
MAX_CHAIN = 4
"""Actors that a schema may nest, the current one counted."""
Place = tuple[str | int, ...]


def actor_faults(name: str, claim: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with a claim whose document says that it names the actor."""
    place: Place = ("claims", name)
    if not claim["actor"]:
        return
    if name != ACT:
        yield (*place, "actor"), f"only the claim `{ACT}` names the actor (RFC 8693 section 4.1)"
        return
    if "access_token" not in claim["tokens"]:
        yield (*place, "tokens"), "an actor stands in the access token"
    for member in MEMBERS:
        if claim[member]:
            yield (*place, member), "an actor stands in `act` of the token, as it is"
    if claim["renamed_from"]:
        yield (*place, "renamed_from"), "the claim of the actor has had no other name"
    yield from _schema_faults(claim["schema"], (*place, "schema"), 1)


def current_actor(chain: Mapping[str, Any]) -> dict[str, Any]:
    """What policies see of the claim: everything but the actors before, in a value as in `properties` of its schema."""
    return {name: value for name, value in chain.items() if name != ACT}


def acting(claims: Mapping[str, Any]) -> str:
    """The `sub` of the current actor, of claims of any shape; empty where none is named."""
    chain = claims.get(ACT)
    subject = chain.get("sub") if isinstance(chain, Mapping) else None
    return subject if isinstance(subject, str) else ""


def _schema_faults(schema: Any, place: Place, chain: int) -> Iterator[tuple[Place, str]]:
    if chain > MAX_CHAIN:
        yield place, f"a chain of more than {MAX_CHAIN} actors is not accepted"
        return
    if not isinstance(schema, Mapping) or schema.get("type") != "object" or {"enum", "const"} & schema.keys():
        yield place, "an actor is an object with `properties`"
        return
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or "sub" not in schema.get("required", ()) or not _is_text(properties):
        yield place, "an actor has a required `sub` of the type string"
        return
    if ACT in properties:
        yield from _schema_faults(properties[ACT], (*place, "properties", ACT), chain + 1)


def _is_text(properties: Mapping[str, Any]) -> bool:
    schema = properties.get("sub")
    if not isinstance(schema, Mapping):
        return False
    values = schema.get("enum", [schema.get("const")])
    return schema.get("type") == "string" or (isinstance(values, list) and all(isinstance(one, str) for one in values))
