"""Strings of the format `date` as what they are made of: the number of a day.

They are compared with the date of a decision, with constants and with each other; of numbers the solver knows it all.

Assumes: the validator of contracts permits just the days of `timestamps.RANGES`. Guarantees: each string that the
format permits is the value under some assignment that satisfies the facts.
"""

from __future__ import annotations

from collections.abc import Iterable

from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import timestamp
from entitlements.proof.symbolic.terms.term import INT, Term, less, number, variable
from entitlements.proof.symbolic.terms.timestamps import ANY_DAY, RANGES, number_of

_BEHIND = " day"
# The usual ones, the ends of what there is, and a leap day.
_DAYS = ("0000-01-01", "0001-01-01", "2026-11-26", "2028-02-29", "9999-12-31")


def any_date(name: str) -> tuple[Term, list[Term]]:
    """A string of the format, and what is known of it. name: of the claim or property; no variable has its name."""
    day, days = variable(name + _BEHIND, INT), RANGES[ANY_DAY]
    bounds = [less(number(days.start), day, strict=False), less(day, number(days.stop))]
    return timestamp(ANY_DAY, day), bounds


def is_day(term: Term) -> bool:
    """Whether a variable is the number of a day: names of claims with a space stand in quotes."""
    return term.op is Op.VAR and term.sort == INT and str(term.args[0]).endswith(_BEHIND)


def days_near(strings: Iterable[str]) -> list[int]:
    """Days at which a comparison with one of these strings turns, and some more."""
    known = {day for text in (*_DAYS, *strings) if (day := number_of(ANY_DAY, text[:10])) is not None}
    return sorted({day + step for day in known for step in (-1, 0, 1) if day + step in RANGES[ANY_DAY]})
