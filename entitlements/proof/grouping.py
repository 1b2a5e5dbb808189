"""Witnesses of one cause, told as a few: a person who reads them reads every one that an approval accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from entitlements.proof.answer import Witness, fingerprint

HANDFUL = 3
"""So many witnesses of one cause are told one by one; more are one witness, which names all."""


def by_cause(witnesses: Sequence[Witness]) -> list[list[Witness]]:
    """Witnesses of the same claims, of which the same rules differ first, together; in their order."""
    found: dict[tuple[Any, ...], list[Witness]] = {}
    for one in witnesses:
        found.setdefault((one.kind, one.changed, one.first or one.rule), []).append(one)
    return [*found.values()]


def grouped(witnesses: Sequence[Witness]) -> tuple[Witness, ...]:
    """The witnesses, with those of a cause that has more than a handful as one.

    Its approval accepts what the approvals of all of them would, and nothing else: its fingerprint is made of theirs.
    """
    found: list[Witness] = []
    for group in by_cause(witnesses):
        found += [_one_of(group)] if len(group) > HANDFUL else group
    return tuple(found)


def _one_of(group: Sequence[Witness]) -> Witness:
    mark = fingerprint({"together": sorted(one.fingerprint for one in group)})
    finest = frozenset().union(*(one.narrower or {one.fingerprint} for one in group))
    return replace(group[0], fingerprint=mark, together=tuple(group), narrower=finest)
