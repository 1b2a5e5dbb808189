"""The hour and the day of the week of nanoseconds that are not known, as the calendar has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.builtins.table import NoRule
from entitlements.proof.symbolic.builtins.times import RULES
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import INT, TRUE, Term, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import NUMBER, Array, Scalar, Value, constant, of_leaf

START = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = [0, 1, 59, 60, 3599, 3600, 86_399, 86_400, 951_782_400, 1_764_149_769, -1, -86_400, -3601, 9_223_372_035]
NANOSECONDS = of_leaf(Scalar(NUMBER, variable("n", INT)))


def called(name: str, argument: Value) -> tuple[Value, dict[str, Term]]:
    limits = Limits()
    builtins = Builtins({name: {}}, Algebra(limits), limits, lambda *_, **__: [])
    value, failures = builtins(name, [argument], TRUE)
    return value, failures


def world(nanoseconds: int) -> Assignment:
    return Assignment({"n": nanoseconds}, {}, lambda *_: False, lambda _: None)


@pytest.mark.parametrize("zone", [None, "UTC", ""])
def test_hour_and_weekday_are_those_of_the_calendar(zone: str | None) -> None:
    listed = Array(((TRUE, NANOSECONDS), (TRUE, constant(zone))))
    argument = NANOSECONDS if zone is None else of_leaf(listed)
    clock, weekday = (called(name, argument)[0] for name in ("time.clock", "time.weekday"))
    for seconds in SECONDS:
        for nanoseconds in (seconds * 10**9, seconds * 10**9 + 999_999_999):
            day = START + timedelta(seconds=seconds)
            assert world(nanoseconds).document(clock) == [day.hour, day.minute, day.second]
            assert world(nanoseconds).document(weekday) == day.strftime("%A")


def test_time_that_opa_does_not_take_fails() -> None:
    _, failures = called("time.clock", NANOSECONDS)
    ((_, fails),) = failures.items()
    for nanoseconds, wanted in ((2**63 - 1, False), (2**63, True), (-(2**63), False), (-(2**63) - 1, True)):
        assert world(nanoseconds).of(fails) is wanted


def test_time_in_another_zone_is_not_followed_as_one_in_utc() -> None:
    zoned = of_leaf(Array(((TRUE, NANOSECONDS), (TRUE, constant("Europe/Berlin")))))
    limits = Limits()
    with pytest.raises(NoRule):
        RULES["time.clock"](Builtins({}, Algebra(limits), limits, lambda *_, **__: []), [zoned], TRUE)


def test_an_empty_list_is_no_time_that_is_followed() -> None:
    limits = Limits()
    with pytest.raises(NoRule):
        RULES["time.weekday"](Builtins({}, Algebra(limits), limits, lambda *_, **__: []), [of_leaf(Array(()))], TRUE)
