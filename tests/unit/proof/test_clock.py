"""The time in proofs: its terms are what the service tells, for every zone and on both sides of every boundary."""

from __future__ import annotations

import datetime
import itertools
import json
import random
import re
from typing import Any

import pytest

from entitlements.contract import EARLIEST, LATEST, TimeSpec, conforms, offsets, time_context
from entitlements.proof.instants import ahead, boundaries, instants
from entitlements.proof.symbolic.inputs.clock import SECONDS, time_value
from entitlements.proof.symbolic.inputs.dates import any_date
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import CONFORMS, DATE_RULES, PREFIX, on_string, timestamp
from entitlements.proof.symbolic.terms.term import INT, TRUE, Term, equal, less, string, variable
from entitlements.proof.symbolic.terms.timestamps import (
    ANY_DAY,
    DATE,
    PATTERNS,
    RANGES,
    UTC,
    number_of,
    rendered,
)
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Scalar

# Offsets of half and quarter hours, ahead and behind, gaps at midnight, a day that was skipped, changes that ended.
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Asia/Beirut", "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Kiritimati", "Etc/GMT+12"),
)


def at(second: int, term: Term) -> Any:
    return Assignment({SECONDS.args[0]: second}, {}, lambda *_: False, lambda _: 0).of(term)


def told(zone: str, second: int) -> Any:
    assignment = Assignment({SECONDS.args[0]: second}, {}, lambda *_: False, lambda _: 0)
    return assignment.document(time_value(TimeSpec(zone)))


@pytest.mark.parametrize("zone", ZONES)
def test_time_of_the_proof_is_that_of_the_service_on_both_sides_of_every_boundary(zone: str) -> None:
    chance = random.Random(zone)
    drawn = [chance.randint(EARLIEST, LATEST) for _ in range(100)]
    for second in [*boundaries([zone]), *instants([zone], [480, 1439, 20_000, 1_800_000_000], ["2027-02-03"]), *drawn]:
        assert told(zone, second) == time_context(TimeSpec(zone), second), second


@pytest.mark.parametrize("zone", ZONES)
def test_boundaries_are_both_sides_of_each_change_of_an_offset(zone: str) -> None:
    found = boundaries([zone])
    assert {EARLIEST, LATEST} <= {*found}
    for (_, before), (start, after) in itertools.pairwise(offsets(zone)):
        assert {start - 1, start} <= {*found}
        assert (ahead(zone, start - 1), ahead(zone, start)) == (before, after)


def test_instants_are_on_both_sides_of_what_a_policy_compares_with() -> None:
    found = instants(["Europe/Berlin"], [480, 1_900_000_000], ["2030-05-05", "2031-06-07T08:09:10Z", "2030-02-30", "x"])
    midnight = int(datetime.datetime.fromisoformat("2030-05-05T00:00:00+02:00").timestamp())
    named = int(datetime.datetime.fromisoformat("2031-06-07T08:09:10+00:00").timestamp())
    eight = int(datetime.datetime.fromisoformat("2027-01-04T08:00:00+01:00").timestamp())
    for second in (midnight, named, eight, 1_900_000_000):
        assert {second - 1, second, second + 1} <= {*found}
    assert all(EARLIEST <= second <= LATEST for second in found)


DAYS = variable("days", INT)
TEXTS = (
    *("2026-11-26", "2027-01-01", "2028-02-29", "2027-02-29", "2026", "", "2026-11-26T", "2026-11-26T10:00:00Z", "z"),
    *(
        "1999-12-31",
        "1999-12-30",
        "2100-01-01",
        "2100-01-02",
        "9",
        "２026-01-01",
        "2026-11-2",
        "2026-13-01",
        "\U0010ffff",
    ),
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("form", [DATE, UTC, ANY_DAY])
def test_comparison_of_a_timestamp_with_a_constant_is_that_of_the_strings(form: str, text: str) -> None:
    """The term is one of numbers alone; each way round, at numbers on both sides of the constant and at the ends."""
    stamp, constant = timestamp(form, SECONDS), string(text)
    terms = (
        (equal(stamp, constant), lambda one: one == text),
        (less(stamp, constant), lambda one: one < text),
        (less(stamp, constant, strict=False), lambda one: one <= text),
        (less(constant, stamp), lambda one: text < one),
        (less(constant, stamp, strict=False), lambda one: text <= one),
        (on_string(PREFIX, text, stamp), lambda one: one.startswith(text)),
    )
    numbers = RANGES[form]
    near = number_of(form, text) or numbers.start
    tried = {
        numbers.start,
        numbers.start + 1,
        numbers.stop - 1,
        near,
        near - 1,
        near + 1,
        *numbers[:: len(numbers) // 50],
    }
    for number in sorted(tried & {*tried} if form == DATE else tried):
        if number in numbers:
            for term, wanted in terms:
                assert at(number, term) is wanted(rendered(form, number)), (number, text)


def test_timestamps_sort_as_their_numbers_do() -> None:
    for form in (DATE, ANY_DAY):
        days = [rendered(form, day) for day in RANGES[form][:: 1 if form == DATE else 7]]
        assert days == sorted(set(days))
    numbers = RANGES[UTC]
    chance = random.Random(1)
    for second in [
        numbers.start,
        numbers.stop - 2,
        *(chance.randrange(numbers.start, numbers.stop - 1) for _ in range(2000)),
    ]:
        assert rendered(UTC, second) < rendered(UTC, second + 1)


def test_patterns_match_every_timestamp_and_no_other_day() -> None:
    days = [rendered(DATE, day) for day in RANGES[DATE]]
    assert all(re.fullmatch(PATTERNS[DATE], day) for day in days)
    assert all(re.fullmatch(PATTERNS[UTC], f"{day}T23:59:59Z") for day in days[1:-1])
    written = {f"{year}-{month:02}-{day:02}" for year in range(1999, 2101) for month in range(14) for day in range(33)}
    assert {one for one in written if re.fullmatch(PATTERNS[DATE], one)} == {*days}


def test_days_of_the_format_date_are_those_that_contracts_permit() -> None:
    """The first and last day of a year, leap days of every year, and what is no day; by the validator of contracts."""
    first, last = RANGES[ANY_DAY].start, RANGES[ANY_DAY].stop - 1
    assert (rendered(ANY_DAY, first), rendered(ANY_DAY, last)) == ("0000-01-01", "9999-12-31")
    assert len(RANGES[ANY_DAY]) == 25 * 146_097
    written = [f"{year:04}-{day}" for year in range(10_000) for day in ("02-29", "12-31")]
    written += [
        f"{year}-{month:02}-{day:02}" for year in (1900, 2000, 2023) for month in range(14) for day in range(33)
    ]
    written += [
        "",
        "2026-01-1",
        "２０２６-01-01",
        "2026-01-01\n",
        " 2026-01-01",
        "+2026-01-01",
        "12026-01-01",
        "20260101",
    ]
    schema = {"type": "string", "format": "date"}
    for text in written:
        known = number_of(ANY_DAY, text) is not None
        assert known == bool(re.fullmatch(PATTERNS[ANY_DAY], text)) == conforms(schema, text), text


def test_a_date_of_a_contract_stands_as_the_number_of_a_day() -> None:
    schema = {"type": "string", "format": "date"}
    assert json.loads(DATE_RULES) == schema
    inputs = Inputs(Algebra(Limits()))
    (_, leaf), *_ = inputs.of_schema(schema, "until").cases
    assert isinstance(leaf, Scalar)
    assert leaf.term.op is Op.TIMESTAMP
    assert on_string(CONFORMS, DATE_RULES, leaf.term) is TRUE
    assert inputs.of_schema({**schema, "maxLength": 10}, "other").cases[0][1].term.op == "var"


@pytest.mark.parametrize("day", ["0000-01-01", "0000-02-29", "1969-12-31", "2026-11-26", "9999-12-31"])
def test_a_date_of_a_contract_may_be_every_day_that_it_permits(day: str) -> None:
    date, facts = any_date("until")
    assignment = Assignment({"until day": number_of(ANY_DAY, day)}, {}, lambda *_: False, lambda _: 0)
    assert all(assignment.of(fact) for fact in facts)
    assert assignment.of(date) == day


def test_two_timestamps_of_one_form_compare_as_numbers_and_of_two_as_strings() -> None:
    one, other = timestamp(DATE, SECONDS), timestamp(DATE, DAYS)
    assert less(one, other) is less(SECONDS, DAYS)
    assert equal(one, other) is equal(SECONDS, DAYS)
    assert equal(one, one) is TRUE
    assert less(one, timestamp(UTC, SECONDS)).args[0] is one
