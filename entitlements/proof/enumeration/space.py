"""The finite space of tokens before, tokens after and requests that is enumerated, and scenarios in it.

A scenario is a choice of scopes on both sides, of one pair of values for each claim, and of a request. Whether a claim
is there follows from the scopes, so the columns of a scenario are laid out for each pair of scope sets.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from entitlements.contract import Contract, ObjectSpec, RequestSpec, claim_places, conforms
from entitlements.engine import PolicyReading
from entitlements.model import CONTEXT_TIME, JSON, Resource, same_json
from entitlements.proof.enumeration.covering_rows import pairwise
from entitlements.proof.enumeration.identities import identity_pairs
from entitlements.proof.enumeration.moments import moments
from entitlements.proof.enumeration.values import Pool, values
from entitlements.proof.migration import (
    ABSENT,
    ClaimStep,
    Value,
    claim_steps,
    related_claim,
    related_scopes,
    released,
)
from entitlements.proof.scenario import Scenario, Token

_ALL_SUBSETS = 5
_MANY_OBJECTS = 2000
MANY_PROPERTIES = 12
_FEW_TYPES = 8
_FRESH_ACTION, _FRESH_TYPE = "fresh-action", "fresh-type"


Column = Sequence[Any]


@dataclass(frozen=True)
class Layout:
    """The columns of all points with one pair of scope sets: the pairs of each claim, then the request's parts."""

    scopes: tuple[frozenset[str], frozenset[str]]
    steps: tuple[ClaimStep, ...]
    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(map(len, self.columns))


class Space:
    """All points of two contracts and two policies.

    old, new: the contracts; readings: of the old and the new policies. Only claims and properties that a policy may
    read are varied; others stand at one value each.
    """

    def __init__(self, old: Contract, new: Contract, readings: Sequence[PolicyReading]) -> None:
        self.old, self.new = old, new
        self.readings = tuple(readings)
        # Whether no combination was left out; known once the layouts are made.
        self.all_listed = max(len(old.scopes), len(new.scopes)) <= _ALL_SUBSETS
        schemas = [c.schema for contract in (old, new) for c in contract.claims.values()]
        for contract in (old, new):
            if contract.request:
                schemas += [s.schema() for s in contract.request.resources.values()]
                schemas.append(contract.request.context.schema())
        self._pool = Pool.of([value for reading in readings for value in reading.scalars], schemas)

    def reads(self, *path: str) -> bool:
        """Whether a policy may read this part of the input."""
        return any(read.may_be_of(path) for reading in self.readings for read in reading.reads)

    def reads_claim(self, step: ClaimStep) -> bool:
        """Whether a policy may read a claim, wherever it sees it, under one of its names."""
        return any(self.reads(*at) for name in (step.name_before, step.name_after) for at in claim_places(name))

    def order_matters(self, *claims: str) -> bool:
        """Whether a policy may do anything with a claim but ask whether a list holds an item. claims: its names."""
        return any(
            not read.as_set or read.path != path
            for claim in claims
            for path in claim_places(claim)
            for reading in self.readings
            for read in reading.reads
            if read.path[: len(path)] == path or read.path == path[: len(read.path)]
        )

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """One layout for each related pair of scope sets."""
        request = self._request_columns()
        found = []
        for before, after in self._scope_pairs():
            columns = [self._claim_column(step, before, after) for step in self.steps]
            if all(columns):
                found.append(Layout((before, after), self.steps, (*columns, *request)))
        return tuple(found)

    @cached_property
    def steps(self) -> tuple[ClaimStep, ...]:
        """Every claim that policy can see on either side."""
        return claim_steps(self.old, self.new)

    @property
    def size(self) -> int:
        """How many points there are in all."""
        return sum(layout.size for layout in self.layouts)

    def _scope_pairs(self) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
        for before in _subsets(sorted(self.old.scopes)):
            for after in _subsets(sorted(self.new.scopes)):
                if related_scopes(self.old, self.new, before, after):
                    yield before, after

    def _claim_column(self, step: ClaimStep, before: frozenset[str], after: frozenset[str]) -> Column:
        there = (released(self.old, step.name_before, before), released(self.new, step.name_after, after))
        olds, news = self._claim_values[step.name_before, step.name_after]
        pairs = [
            (one, other)
            for one in (olds if there[0] and step.before else (ABSENT,))
            for other in (news if there[1] and step.after else (ABSENT,))
            if related_claim(step, one, other, released=there)
        ]
        if self.reads_claim(step):
            return pairs
        if not pairs:
            # One represents all, and there is none: tokens with these scopes are not looked at.
            self.all_listed = False
        return pairs[:1]

    @cached_property
    def _claim_values(self) -> Mapping[tuple[str, str], tuple[tuple[Value, ...], tuple[Value, ...]]]:
        found = {}
        for step in self.steps:
            sides = []
            for spec, other in ((step.before, step.after), (step.after, step.before)):
                if spec is None:
                    sides.append(())
                    continue
                ordered = self.order_matters(step.name_before, step.name_after)
                tried = [*values(spec.schema, self._pool, ordered=ordered)]
                if other is not None and not same_json(other.schema, spec.schema):
                    # What the other side permits too: a value that is kept has to be on both sides.
                    tried += [
                        value
                        for value in values(other.schema, self._pool, ordered=ordered)
                        if conforms(spec.schema, value) and not any(same_json(value, known) for known in tried)
                    ]
                sides.append((*tried, *(() if spec.required else (ABSENT,))))
            found[step.name_before, step.name_after] = (sides[0], sides[1])
        return found

    def _request_columns(self) -> tuple[Column, ...]:
        identities = (
            self._identities("sub", "id", ("u_1", "u_2")),
            self._identities("client_id", "client_id", ("client",)),
        )
        asked_at = moments(self.old, self.new, self._pool, read=self.reads("context", CONTEXT_TIME))
        return (*identities, self._actions(), self._resources(), self._contexts(), asked_at)

    def _identities(self, name: str, place: str, plain: Sequence[str]) -> Column:
        """Pairs of what `sub` or `client_id` may be before and after."""
        pairs = identity_pairs(self.old, self.new, name, plain, self._pool)
        if not pairs:
            self.all_listed = False
            return [(plain[0], plain[0])]
        return pairs if self.reads("subject", place) else pairs[:1]

    def _actions(self) -> Column:
        declared = {name for request in self._typed for name in request.actions}
        if len(self._typed) == 2:
            return sorted(declared)
        return [*dict.fromkeys([*sorted(declared), *self._constants_at("action", "name"), _FRESH_ACTION])]

    @cached_property
    def _typed(self) -> list[RequestSpec]:
        return [contract.request for contract in (self.old, self.new) if contract.request]

    def _constants_at(self, *path: str) -> list[str]:
        """Strings that could be meant where a policy reads this part."""
        return [text for text in self._pool.strings if text] if self.reads(*path) else []

    def _resources(self) -> Column:
        kinds = {kind for request in self._typed for kind in request.resources}
        found = [
            Resource(kind, "1", properties)
            for kind in sorted(kinds)
            for properties in self._typed_objects(
                [request.resources[kind] for request in self._typed if kind in request.resources],
                "resource",
                "properties",
            )
        ]
        if len(self._typed) == 2:
            return found
        others = [*self._constants_at("resource", "type")[:_FEW_TYPES], _FRESH_TYPE]
        names = sorted({p[2] for p in self._read_paths() if p[:2] == ("resource", "properties") and len(p) > 2})
        return found + [Resource(kind, "1", properties) for kind in others for properties in self._open(names)]

    def _contexts(self) -> Column:
        if len(self._typed) == 2:
            return self._typed_objects([request.context for request in self._typed], "context")
        return self._open(sorted({p[1] for p in self._read_paths() if p[:1] == ("context",) and len(p) > 1}))

    def _read_paths(self) -> set[tuple[str, ...]]:
        return {read.path for reading in self.readings for read in reading.reads}

    def _typed_objects(self, specs: Sequence[ObjectSpec], *place: str) -> list[dict[str, JSON]]:
        """Objects of a typed part, for each contract that types it: the values of properties that a policy may read."""
        found: list[dict[str, JSON]] = []
        for number, spec in enumerate(specs):
            if any(same_json(spec.schema(), earlier.schema()) for earlier in specs[:number]):
                continue
            choices: list[list[Any]] = []
            for name, schema in spec.properties.items():
                present: list[Any] = [*values(schema, self._pool, limit=MANY_PROPERTIES)]
                optional: list[Any] = [] if name in spec.required else [ABSENT]
                # A property that only one contract permits can turn a refused request into an allowed one.
                varied = self.reads(*place, name) or not same_typing(specs, name)
                choices.append(present + optional if varied else (optional or present)[:1])
            found += self._objects([*spec.properties], choices)
        return found

    def _open(self, names: Sequence[str]) -> list[dict[str, JSON]]:
        """Objects of an untyped part: what policies compare with, a fresh text, a number, a boolean, or absent."""
        tried: list[Any] = [*self._pool.strings[:6], "fresh", *self._pool.numbers[:4], True, False, ABSENT]
        return self._objects(names, [tried for _ in names])

    def _objects(self, names: Sequence[str], choices: Sequence[Sequence[Any]]) -> list[dict[str, JSON]]:
        total = 1
        for choice in choices:
            total *= len(choice)
        rows: Iterable[Sequence[Any]] = itertools.product(*choices)
        if total > _MANY_OBJECTS:
            self.all_listed = False
            rows = _chosen(choices)
        return [{n: v for n, v in zip(names, row, strict=True) if v is not ABSENT} for row in rows]

    def scenario(self, layout: Layout, row: Sequence[int]) -> Scenario:
        """The point at one row of indices."""
        chosen = [column[index] for column, index in zip(layout.columns, row, strict=True)]
        pairs = list(zip(layout.steps, chosen, strict=False))
        subject, client, action, resource, context, at = chosen[len(layout.steps) :]
        return Scenario(
            Token(
                subject[0], layout.scopes[0], {s.name_before: p[0] for s, p in pairs if p[0] is not ABSENT}, client[0]
            ),
            Token(
                subject[1], layout.scopes[1], {s.name_after: p[1] for s, p in pairs if p[1] is not ABSENT}, client[1]
            ),
            action,
            resource,
            context,
            at=at,
        )

    def every(self, layout: Layout) -> Iterator[Sequence[int]]:
        """Every row of a layout."""
        return itertools.product(*(range(len(column)) for column in layout.columns))

    def covering(self, layout: Layout, *, seed: int) -> Iterator[Sequence[int]]:
        """Rows in which every pair of choices occurs."""
        return pairwise([len(column) for column in layout.columns], seed=seed)

    def random(self, layout: Layout, chance: random.Random) -> Sequence[int]:
        """One row at random."""
        return [chance.randrange(len(column)) for column in layout.columns]


def same_typing(specs: Sequence[ObjectSpec], name: str) -> bool:
    """Whether a property of a request may hold the same in all of these."""
    first, *rest = ((spec.properties.get(name), name in spec.required) for spec in specs)
    return all(same_json(first[0], other[0]) and first[1] == other[1] for other in rest)


def _subsets(names: Sequence[str]) -> list[frozenset[str]]:
    if len(names) <= _ALL_SUBSETS:
        sizes = range(len(names) + 1)
        return [frozenset(chosen) for size in sizes for chosen in itertools.combinations(names, size)]
    few = [frozenset(chosen) for size in (0, 1, 2) for chosen in itertools.combinations(names, size)]
    return [*few, frozenset(names)]


def _chosen(choices: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    for row in pairwise([len(choice) for choice in choices]):
        yield [choice[index] for choice, index in zip(choices, row, strict=True)]
