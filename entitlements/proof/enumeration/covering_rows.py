"""Rows of choices that cover every pair of two columns: what is tried where all rows would be too many."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

_MOST_TRIED = 6


def pairwise(sizes: Sequence[int], *, seed: int = 0) -> Iterator[tuple[int, ...]]:
    """Rows of indices in which every pair of choices of every two columns occurs.

    sizes: how many choices each column has, none of them 0. Greedy: each row takes a pair that is due and then, column
    by column, the choice that completes most pairs not seen yet.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secrets
    if len(sizes) < 2:
        yield from ((index,) for index in range(sizes[0])) if sizes else [()]
        return
    due = {
        (one, first, other, second)
        for one, other in itertools.combinations(range(len(sizes)), 2)
        for first in range(sizes[one])
        for second in range(sizes[other])
    }
    order = sorted(due)
    chance.shuffle(order)
    for one, first, other, second in order:
        if (one, first, other, second) not in due:
            continue
        row: dict[int, int] = {one: first, other: second}
        for column in range(len(sizes)):
            if column not in row:
                row[column] = _best(column, sizes[column], row, due, chance)
        for left, right in itertools.combinations(range(len(sizes)), 2):
            due.discard((left, row[left], right, row[right]))
        yield tuple(row[column] for column in range(len(sizes)))


def _best(
    column: int, size: int, row: Mapping[int, int], due: set[tuple[int, int, int, int]], chance: random.Random
) -> int:
    tried = range(size) if size <= _MOST_TRIED else chance.sample(range(size), _MOST_TRIED)
    return max(
        tried,
        key=lambda choice: sum(
            ((other, row[other], column, choice) if other < column else (column, choice, other, row[other])) in due
            for other in row
        ),
    )
