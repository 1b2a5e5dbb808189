"""What is true of a change: a written pair that OPA decides as it says, or no such pair among many small tokens."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.field.case import Change
from entitlements.contract import Contract, conforms
from entitlements.engine import BatchEngine, Opa
from entitlements.model import Resource
from entitlements.proof.decisions import Decisions
from entitlements.proof.migration import related
from entitlements.proof.scenario import Scenario, Token

_MOST_TOKENS = 400
_MOST_PAIRS = 6000
_MOST_REQUESTS = 40
_STRINGS = ("a", "b")
_OTHER = Resource("other", "1", {})


def faults(change: Change, opa: Opa, folder: Path) -> list[str]:
    """What is wrong with what the file says of the change; nothing, if it is true as far as was looked."""
    old, new = change.contracts
    sides = change.write(folder)
    with (
        BatchEngine(opa, sides[0], old.decision_path) as before,
        BatchEngine(opa, sides[1], new.decision_path) as after,
    ):
        decisions = Decisions(old, new, (before, after))
        if change.pair is not None:
            return [*_pair_faults(change, change.pair, decisions)]
        return [*_found(change, decisions)]


def _pair_faults(change: Change, pair: Scenario, decisions: Decisions) -> Iterator[str]:
    old, new = change.contracts
    for contract, token in ((old, pair.before), (new, pair.after)):
        for name, value in token.claims.items():
            if name not in contract.claims or not conforms(contract.claims[name].schema, value):
                yield f"`{name}` of the written pair is not permitted by {contract.version}"
    if not related(old, new, (pair.before.scopes, pair.before.claims), (pair.after.scopes, pair.after.claims)):
        yield "no principal may hold the two tokens of the written pair"
    if not decisions.turns([pair], widening=True, obligation=change.by_obligation):
        yield f"OPA decides the written pair otherwise: {[decisions.allowed([pair], side)[0] for side in (0, 1)]}"


def _found(change: Change, decisions: Decisions) -> Iterator[str]:
    """Pairs that show an access gained or an obligation lost, though there should be none."""
    old, new = change.contracts
    chance = random.Random(1)
    pairs = [
        (one, other)
        for one, other in itertools.product(_tokens(old, change.samples, chance), _tokens(new, change.samples, chance))
        if related(old, new, (one.scopes, one.claims), (other.scopes, other.claims))
    ]
    if not pairs:
        yield "no two tokens of the samples are related"
    requests = [*_requests(new, change.samples, chance)]
    points = [*itertools.product(_drawn(chance, pairs, _MOST_PAIRS), requests)]
    scenarios = [
        Scenario(one, other, action, resource, context)
        for (one, other), (action, resource, context) in _drawn(chance, points, _MOST_PAIRS)
    ]
    for obligation in (False, True):
        for shown in decisions.turns(scenarios, widening=True, obligation=obligation)[:1]:
            yield f"it widens: {shown}"


def _drawn(chance: random.Random, values: Sequence[Any], most: int) -> Sequence[Any]:
    return values if len(values) <= most else chance.sample(values, most)


def _tokens(contract: Contract, samples: Mapping[str, Sequence[Any]], chance: random.Random) -> list[Token]:
    columns = []
    for name, spec in contract.claims.items():
        values = [{name: value} for value in _values(name, spec.schema, samples) if conforms(spec.schema, value)]
        columns.append([*values, *([] if spec.required else [{}])])
    rows = [*itertools.islice(itertools.product(*columns), 100_000)]
    scopes = _subsets([*contract.scopes], 2)
    tokens = [*itertools.product(_drawn(chance, rows, _MOST_TOKENS), scopes)]
    return [
        Token("u_1", frozenset(granted), {name: value for part in row for name, value in part.items()})
        for row, granted in _drawn(chance, tokens, _MOST_TOKENS)
    ]


def _requests(
    contract: Contract, samples: Mapping[str, Sequence[Any]], chance: random.Random
) -> Iterator[tuple[str, Resource, Mapping[str, Any]]]:
    typed = contract.request
    if typed is None:
        for action in samples.get("actions", ("read",)):
            for properties in samples.get("properties", ({},)):
                yield action, Resource("thing", "1", properties), {}
        return
    resources = [
        Resource(kind, "1", properties)
        for kind, spec in (typed.resources or {"thing": None}).items()
        for properties in (_objects(spec.properties, spec.required, samples) if spec else [{}])
    ]
    context = typed.context
    contexts = [*_objects(context.properties, context.required, samples)] if context else [{}]
    asked = [*itertools.product(typed.actions or samples.get("actions", ("read",)), resources, contexts)]
    yield from _drawn(chance, asked, _MOST_REQUESTS)


def _objects(
    properties: Mapping[str, Any], required: Sequence[str], samples: Mapping[str, Sequence[Any]]
) -> list[dict[str, Any]]:
    columns = [
        [*({name: value} for value in _values(name, schema, samples)), *([] if name in required else [{}])]
        for name, schema in properties.items()
    ]
    rows = itertools.islice(itertools.product(*columns), 2000)
    return [{name: value for part in row for name, value in part.items()} for row in rows]


def _values(name: str, schema: Mapping[str, Any], samples: Mapping[str, Sequence[Any]]) -> list[Any]:
    """A few values of the schema: all of an enum, the ends of a range, lists of up to two, and what the samples say."""
    kind = schema.get("type")
    if "enum" in schema:
        return [*schema["enum"]]
    if kind == "array":
        items = _values(name, schema["items"], samples)
        lists = [*_subsets(items, 2), items[:3], [items[0]] * 2, items[1:2] * 2]
        return [one for one in lists if conforms(schema, one)]
    if kind == "object" and "properties" in schema:
        rows = _objects(schema["properties"], schema.get("required", []), samples)
        return [row for row in rows if conforms(schema, row)]
    if name in samples:
        return [value for value in samples[name] if conforms(schema, value)]
    return _simple(schema)


def _simple(schema: Mapping[str, Any]) -> list[Any]:
    kind = schema.get("type")
    if kind == "boolean":
        return [True, False]
    if kind in ("integer", "number"):
        return [one for one in (0, 1, schema.get("minimum"), schema.get("maximum")) if one is not None]
    return [one for one in _STRINGS if conforms(schema, one)]


def _subsets(values: Sequence[Any], most: int) -> list[list[Any]]:
    return [[*chosen] for size in range(most + 1) for chosen in itertools.combinations(values, size)]
