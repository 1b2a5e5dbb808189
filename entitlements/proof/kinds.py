"""What makes two witnesses two: the differences that they need, as far as a finite domain names them.

Of a number or a free text only that it changed is reported, for its value is one example of many.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract import TOKEN_TIMES, ClaimSpec, Contract
from entitlements.model import JSON, same_json
from entitlements.proof.migration import ABSENT, ClaimStep, claim_steps, identity_step
from entitlements.proof.scenario import Scenario

Difference = tuple[str, str, str]
"""The claim, or `scope`; what happened: an item came (`+`) or went (`-`), or the value became another (`=`); which."""
_ANY = "*"
_IDENTITIES = ("sub", "client_id")


def differences(old: Contract, new: Contract, scenario: Scenario) -> frozenset[Difference]:
    """What differs between the two tokens of a point."""
    return frozenset(_all(old, new, scenario))


def _all(old: Contract, new: Contract, scenario: Scenario) -> Iterator[Difference]:
    one, other = scenario.before, scenario.after
    for step in claim_steps(old, new):
        if not step.name_after:
            # What another claim's value takes the place of is reported with that one.
            continue
        pair = one.claims.get(step.name_before, ABSENT), other.claims.get(step.name_after, ABSENT)
        if step.name_before in scenario.changed or step.name_after in scenario.changed:
            yield from _of_claim(step, *pair)
    for name, pair in (("sub", (one.subject, other.subject)), ("client_id", (one.client, other.client))):
        if pair[0] != pair[1]:
            yield name, "=", _ANY
    yield from _of_items("scope", [*one.scopes], [*other.scopes])


def _of_claim(step: ClaimStep, before: Any, after: Any) -> Iterator[Difference]:
    name = step.name_after
    if isinstance(before, list) and isinstance(after, list):
        items = [spec.schema["items"] if spec else {} for spec in (step.before, step.after)]
        if all(_is_finite_domain(schema) for schema in items):
            yield from (
                _of_items(name, before, after)
                if {*map(_string, before)} != {*map(_string, after)}
                else [(name, "=", _ANY)]
            )
            return
    if after is ABSENT:
        yield name, "=", ""
    else:
        yield name, "=", _string(after) if step.after and _is_finite_domain(step.after.schema) else _ANY


def _of_items(name: str, before: list[Any], after: list[Any]) -> Iterator[Difference]:
    was, is_now = {*map(_string, before)}, {*map(_string, after)}
    yield from ((name, "-", item) for item in was - is_now)
    yield from ((name, "+", item) for item in is_now - was)


def _is_finite_domain(schema: Any) -> bool:
    return bool({"enum", "const"} & schema.keys()) or schema.get("type") == "boolean"


def _string(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def meaning(old: Contract, new: Contract, found: frozenset[Difference]) -> dict[str, JSON]:
    """The differences, with what the contracts said and say of the claims: a later edit of these is another change."""
    named = {name for name, _, _ in found}
    identities = [identity_step(old, new, name) for name in _IDENTITIES]
    steps: dict[str, JSON] = {
        step.name_after: [_spec(step.before), _spec(step.after)]
        for step in (*claim_steps(old, new), *identities)
        if step.name_after in named
    }
    scopes: list[JSON] = [[*sorted(old.scopes)], [*sorted(new.scopes)]]
    return {
        "differences": [[*difference] for difference in sorted(found)],
        "claims": {**steps, **({"scope": scopes} if "scope" in named else {})},
        **_changed_parts(old, new),
        **_released(old, new, named),
        **_times(old, new, named),
        **({"issuers": [old.profile.issuer, new.profile.issuer]} if identities[0].other_issuer else {}),
    }


def _changed_parts(old: Contract, new: Contract) -> dict[str, JSON]:
    """What the contracts say of the request, and of the rule that decides and its answer, where they differ."""
    parts = [(one.canonical["request"], one.canonical["policy"]) for one in (old, new)]
    named = zip(("request", "policy"), *parts, strict=True)
    return {name: [before, after] for name, before, after in named if not same_json(before, after)}


def _released(old: Contract, new: Contract, named: set[str]) -> dict[str, JSON]:
    """The scopes that release a claim that differs, where the contracts say otherwise which do."""
    found: dict[str, JSON] = {}
    for step in claim_steps(old, new):
        scopes: list[JSON] = [
            [*sorted(one.released_by.get(name, ()))] for one, name in ((old, step.name_before), (new, step.name_after))
        ]
        if step.name_after in named and scopes[0] != scopes[1]:
            found[step.name_after] = scopes
    return {"released_by": found} if found else {}


def _times(old: Contract, new: Contract, named: set[str]) -> dict[str, JSON]:
    """What changes of the time that policies are told, and of how long the tokens live whose times differ."""
    zones: list[JSON] = [None if one.time is None else one.time.zone for one in (old, new)]
    lifetimes: list[JSON] = [one.profile.max_lifetime for one in (old, new)]
    return {
        **({"time": zones} if zones[0] != zones[1] else {}),
        **({"max_lifetime": lifetimes} if TOKEN_TIMES & named and any(zones) else {}),
    }


def _spec(spec: ClaimSpec | None) -> JSON:
    if spec is None:
        return None
    schema: Mapping[str, JSON] = spec.schema
    read = spec.extraction.canonical()
    found: dict[str, JSON] = {"schema": dict(schema), "required": spec.required}
    return {**found, **({"read": read} if read else {}), **({"actor": True} if spec.actor else {})}
