"""Seconds at which a policy that reads the time could turn: what the self-check and the enumeration try.

Assumes: the constants of the policies. Guarantees: each is one that the service takes.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Iterable, Iterator, Sequence

from entitlements.contract import EARLIEST, LATEST, offsets

_DAY = 86_400
_EPOCH = datetime.date(1970, 1, 1)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?.*", re.DOTALL)
# Days on which calendars are got wrong: the turn of years, of leap days and of a February without one.
_DATES = ("2026-12-31", "2027-01-01", "2028-02-28", "2028-02-29", "2028-03-01", "2027-02-28", "2027-03-01")
_FEW_CHANGES = 4


def ahead(zone: str, seconds: int) -> int:
    """How many seconds a zone is ahead of UTC at a second that the service takes."""
    return next(offset for start, offset in reversed(offsets(zone)) if start <= seconds)


def boundaries(zones: Iterable[str]) -> list[int]:
    """The first and the last second that the service takes, and both sides of each change of an offset."""
    found = {EARLIEST, LATEST}
    for zone in zones:
        for start, _ in offsets(zone)[1:]:
            found |= {start - 1, start}
    return sorted(found)


def instants(zones: Sequence[str], numbers: Iterable[object], strings: Iterable[str]) -> list[int]:
    """Seconds at which a comparison with one of these constants turns, of the last changes of offsets and of the turns
    of years and months; each with its neighbours.

    zones: that of each contract which tells the time; numbers: seconds, days since the epoch or minutes of a day.
    """
    found = {EARLIEST, LATEST}
    found |= {start for zone in zones for start, _ in offsets(zone)[1:][-_FEW_CHANGES:]}
    whole = sorted({int(value) for value in numbers if isinstance(value, int) and not isinstance(value, bool)})
    days = [_days(text) for text in _DATES]
    days += [day for text in strings for day in _days_of(text)]
    found |= {second for text in strings for second in _second_of(text)}
    found |= {value for value in whole if value > _DAY * 400}
    days += [value for value in whole if 10_000 < value < 50_000]
    found |= {second for zone in zones for day in days for second in _local(zone, day, 0)}
    minutes = [value for value in whole if 0 <= value <= 1440]
    for zone in zones:
        found |= {second for day in _usual_days(zone) for minute in minutes for second in _local(zone, day, minute)}
    near = {second + step for second in found for step in (-1, 0, 1)}
    return sorted(second for second in near if EARLIEST <= second <= LATEST)


def some(known: Sequence[int], most: int, *, seed: int = 1) -> list[int]:
    """So many of some instants at most, drawn evenly at random."""
    if len(known) <= most:
        return [*known]
    return sorted(random.Random(seed).sample(known, most))  # noqa: S311 - reproducible, no secrets


def _usual_days(zone: str) -> list[int]:
    """A week, and the days on which the clocks of a zone were put forward or back last."""
    week = [*range(_days("2027-01-04"), _days("2027-01-11"))]
    changed = [(start + offset) // _DAY for start, offset in offsets(zone)[1:][-_FEW_CHANGES:]]
    return [*week, *changed]


def _local(zone: str, day: int, minute: int) -> Iterator[int]:
    """The seconds at which the clocks of a zone show the beginning of a minute: one, two or none exactly."""
    shown = day * _DAY + minute * 60
    guesses = {shown - offset for offset in _near(zone, shown)}
    yield from (second for second in guesses if EARLIEST <= second <= LATEST)


def _near(zone: str, shown: int) -> set[int]:
    return {ahead(zone, min(max(shown + step, EARLIEST), LATEST)) for step in (-_DAY, 0, _DAY)}


def _days(text: str) -> int:
    return (datetime.date.fromisoformat(text) - _EPOCH).days


def _days_of(text: str) -> Iterator[int]:
    found = _DATE.fullmatch(text)
    if found is not None:
        try:
            yield _days(found[1])
        except ValueError:
            return


def _second_of(text: str) -> Iterator[int]:
    found = _DATE.fullmatch(text)
    if found is not None and found[2]:
        try:
            moment = datetime.datetime.fromisoformat(found[1] + found[2])
        except ValueError:
            return
        yield int(moment.timestamp())
