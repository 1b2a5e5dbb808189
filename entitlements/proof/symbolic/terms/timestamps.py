"""Days and seconds as RFC 3339 writes them: strings that sort as the numbers do that they are made of.

So that a comparison with a constant is one of numbers, and nothing has to be known of strings. Numbers are days or
seconds since the epoch.

Guarantees: within `RANGES`, `rendered` is strictly increasing in the order of strings, and `first_from` is exact.
"""

from __future__ import annotations

import bisect
import datetime
from collections.abc import Mapping
from typing import Final

DATE, UTC, ANY_DAY = "date", "utc", "any day"
"""Days that clocks show, seconds, and every day that the format `date` of a contract permits."""
_CALENDAR = 146_097
"""Days after which the calendar repeats: 400 years."""
_EPOCH = datetime.date(1970, 1, 1)
# From 1999-12-31 to 2100-01-01, as clocks of some zones show a second of these years; and 2000 to 2099 in UTC.
RANGES: Final[Mapping[str, range]] = {
    DATE: range(10_956, 47_483),
    UTC: range(946_684_800, 4_102_444_800),
    # From 0000-01-01 to 9999-12-31, in the calendar that RFC 3339 refers to.
    ANY_DAY: range(-719_528, 2_932_897),
}
UNITS: Final[Mapping[str, int]] = {DATE: 86_400, UTC: 1}
"""How many seconds a number counts, of the forms that the time of a decision has."""
_LAST = "\U0010ffff"
_DAY = (
    "(20[0-9][0-9]-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    "|20([02468][048]|[13579][26])-02-29|1999-12-31|2100-01-01)"
)
_MONTHS = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
_LEAP_YEARS = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
PATTERNS: Final[Mapping[str, str]] = {
    DATE: f"^{_DAY}$",
    UTC: f"^{_DAY}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
    ANY_DAY: f"^([0-9]{{4}}-{_MONTHS}|{_LEAP_YEARS}-02-29)$",
}
"""Every string of a form, and for `utc` those of two days more."""
LENGTHS: Final[Mapping[str, int]] = {DATE: 10, UTC: 20, ANY_DAY: 10}


def rendered(form: str, number: int) -> str:
    """The string of a number."""
    if form != UTC:
        # A year later than any that Python's calendar lacks.
        shifted = _EPOCH + datetime.timedelta(days=number + (_CALENDAR if number < 0 else 0))
        return f"{shifted.year - (400 if number < 0 else 0):04}-{shifted.month:02}-{shifted.day:02}"
    return datetime.datetime.fromtimestamp(number, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def first_from(form: str, string: str, *, beyond: bool = False) -> int:
    """The first number whose string does not sort before this one; beyond: the first that sorts after it."""
    numbers = RANGES[form]
    find = bisect.bisect_right if beyond else bisect.bisect_left
    return numbers.start + find(numbers, string, key=lambda number: rendered(form, number))


def beginning_with(form: str, prefix: str) -> range:
    """The numbers whose strings begin so: one after the other, as strings sort."""
    return range(first_from(form, prefix), first_from(form, prefix + _LAST, beyond=True))


def alike(form: str, other: str) -> bool:
    """Whether strings of two forms compare as their numbers do."""
    return form == other or UTC not in (form, other)


def number_of(form: str, string: str) -> int | None:
    """The number of a string; None for one that is none of the form."""
    found = first_from(form, string)
    return found if found in RANGES[form] and rendered(form, found) == string else None
