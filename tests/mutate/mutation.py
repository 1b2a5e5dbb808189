"""What a mutation is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """One defect that tests have to notice.

    name: what is broken; file: below `entitlements/`; old: code that stands there exactly once; new: what takes its
    place; tests: files or ids of tests, of which one must fail then; why: what the defect would do.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
