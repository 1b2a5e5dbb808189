"""Enumerating the space: every scenario where the budget allows it, else a sample drawn to where decisions turn."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from entitlements.proof.decisions import Decisions
from entitlements.proof.enumeration.space import Layout, Space
from entitlements.proof.scenario import Scenario

_BATCH = 20_000
_PAIRWISE_COLUMN = 64


@dataclass
class Enumerated:
    """What an enumeration found: scenarios whose decision changes or loses an obligation, how many were asked, and
    whether that was all of them."""

    changed_decisions: list[Scenario] = field(default_factory=list)
    lost_obligations: list[Scenario] = field(default_factory=list)
    scenarios: int = 0
    exhaustive: bool = False


Progress = Callable[[int, int], None]
_Row = tuple[Layout, tuple[int, ...]]


def enumerate_scenarios(
    space: Space,
    decisions: Decisions,
    *,
    widening: bool,
    budget: int,
    seed: int,
    progress: Progress = lambda _d, _t: None,
) -> Enumerated:
    """Look for changed decisions in one direction.

    budget: how many points may be looked at; progress: told the points done and those that there are to do.
    """
    if space.size <= budget:
        enumerated = Enumerated(exhaustive=True)
        everything = (space.scenario(layout, row) for layout in space.layouts for row in space.every(layout))
        scenarios = (scenario for scenario in everything if scenario.possible(space.old, space.new))
        for batch in _batches(scenarios):
            enumerated.changed_decisions += decisions.changed_decisions(batch, widening=widening)
            enumerated.lost_obligations += decisions.lost_obligations(batch, widening=widening)
            enumerated.scenarios += len(batch)
            progress(enumerated.scenarios, space.size)
        return enumerated
    return _Sampler(space, decisions, widening, budget, random.Random(seed), progress).run()  # noqa: S311


def _batches(scenarios: Iterable[Scenario]) -> Iterator[list[Scenario]]:
    source = iter(scenarios)
    while batch := list(itertools.islice(source, _BATCH)):
        yield batch


class _Sampler:
    """Pairwise rows first, then rows at random, then neighbours of rows that the side in question allows."""

    def __init__(
        self, space: Space, decisions: Decisions, widening: bool, budget: int, chance: random.Random, progress: Progress
    ) -> None:
        self._space = space
        self._decisions = decisions
        self._widening = widening
        self._budget = budget
        self._chance = chance
        self._progress = progress
        self._found = Enumerated()
        self._seen: set[tuple[int, tuple[int, ...]]] = set()
        self._layouts = list(space.layouts)

    def run(self) -> Enumerated:
        allowed = self._look(self._covering(self._budget // 4))
        allowed += self._look(self._random(self._budget // 4))
        while self._left > 0:
            rows = self._neighbours(allowed) if allowed else self._random(min(self._left, _BATCH))
            before = self._found.scenarios
            allowed += self._look(rows)
            if self._found.scenarios == before:
                break
        return self._found

    @property
    def _left(self) -> int:
        return self._budget - self._found.scenarios

    def _look(self, rows: Sequence[_Row]) -> list[_Row]:
        """Decide rows that were not seen yet; gives those that are allowed on the side that has to allow."""
        fresh = []
        scenarios = []
        for layout, row in rows[: max(self._left, 0)]:
            key = (id(layout), row)
            if key not in self._seen:
                self._seen.add(key)
                scenario = self._space.scenario(layout, row)
                if scenario.possible(self._space.old, self._space.new):
                    fresh.append((layout, row))
                    scenarios.append(scenario)
        if not fresh:
            return []
        self._found.changed_decisions += self._decisions.changed_decisions(scenarios, widening=self._widening)
        self._found.lost_obligations += self._decisions.lost_obligations(scenarios, widening=self._widening)
        self._found.scenarios += len(scenarios)
        self._progress(self._found.scenarios, self._budget)
        allowed = self._decisions.allowed(scenarios, 1 if self._widening else 0)
        return [row for row, allow in zip(fresh, allowed, strict=True) if allow]

    def _covering(self, most: int) -> list[_Row]:
        rows: list[_Row] = []
        share = max(most // max(len(self._layouts), 1), 50)
        for layout in self._layouts:
            if max(len(column) for column in layout.columns) <= _PAIRWISE_COLUMN:
                found = self._space.covering(layout, seed=self._chance.randrange(2**32))
                rows += [(layout, tuple(row)) for row in itertools.islice(found, share)]
        return rows

    def _random(self, count: int) -> list[_Row]:
        drawn = self._chance.choices(
            self._layouts, weights=[min(layout.size, 10**12) for layout in self._layouts], k=count
        )
        return [(layout, tuple(self._space.random(layout, self._chance))) for layout in drawn]

    def _neighbours(self, allowed: Sequence[_Row]) -> list[_Row]:
        """Rows beside allowed ones: every other choice of one column, and random choices of two."""
        rows: list[_Row] = []
        for layout, row in self._chance.sample(list(allowed), min(len(allowed), 200)):
            for column in range(len(row)):
                size = len(layout.columns[column])
                for choice in range(size) if size <= 40 else self._chance.sample(range(size), 40):
                    rows.append((layout, (*row[:column], choice, *row[column + 1 :])))
            for _ in range(20):
                changed = list(row)
                for column in self._chance.sample(range(len(row)), min(2, len(row))):
                    changed[column] = self._chance.randrange(len(layout.columns[column]))
                rows.append((layout, tuple(changed)))
        self._chance.shuffle(rows)
        return rows[:_BATCH]
