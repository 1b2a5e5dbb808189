"""What a collection is made of where lists are cut short: how many elements of them each of its elements hangs on.

Guarantees: at least the order of an existence reading of the collection, see docs/proof-bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Cut: TypeAlias = Mapping[str, int | None]
"""By the name of a list: how many of its elements one element can hang on; None where no number suffices."""
WHOLE: Final[Cut] = MappingProxyType({})
"""Of a collection that nothing is missing of."""


def of_list(name: str) -> Cut:
    """Of an input list itself."""
    return {name: 1}


def of_either(*cuts: Cut) -> Cut:
    """Of a collection whose elements come from one or the other."""
    names = dict.fromkeys(name for cut in cuts for name in cut)
    return {name: _most([cut[name] for cut in cuts if name in cut]) for name in names} or WHOLE


def of_both(one: Cut, other: Cut) -> Cut:
    """Of a collection whose elements hang on one and the other."""
    return {name: added(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}} or WHOLE


def added(one: int | None, other: int | None) -> int | None:
    """The sum, None where one of them is."""
    return None if one is None or other is None else one + other


def _most(found: list[int | None]) -> int | None:
    known = [one for one in found if one is not None]
    return max(known) if len(known) == len(found) else None
