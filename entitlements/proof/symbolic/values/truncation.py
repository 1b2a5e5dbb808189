"""What a collection is made of where lists are truncated: how many elements of them each of its elements depends on.

Guarantees: at least the order of an existence reading of the collection, see docs/proof-bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Truncation: TypeAlias = Mapping[str, int | None]
"""By the name of a list: how many of its elements one element can depend on; None where no number suffices."""
WHOLE: Final[Truncation] = MappingProxyType({})
"""Of a collection that nothing is missing of."""


def of_list(name: str) -> Truncation:
    """Of an input list itself."""
    return {name: 1}


def of_either(*cuts: Truncation) -> Truncation:
    """Of a collection whose elements come from one or the other."""
    names = dict.fromkeys(name for cut in cuts for name in cut)
    return {name: _most([cut[name] for cut in cuts if name in cut]) for name in names} or WHOLE


def of_both(one: Truncation, other: Truncation) -> Truncation:
    """Of a collection whose elements depend on one and the other."""
    return {name: added(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}} or WHOLE


def added(one: int | None, other: int | None) -> int | None:
    """The sum, None where one of them is."""
    return None if one is None or other is None else one + other


def _most(found: list[int | None]) -> int | None:
    known = [one for one in found if one is not None]
    return max(known) if len(known) == len(found) else None
