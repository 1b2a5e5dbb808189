"""How numbers are spelled, and which string OPA takes for which index."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from entitlements.engine.spelling import Canonical, number_spelled, read_decimal, read_integer, spelled
from entitlements.proof.symbolic.execution.references import array_index


@pytest.mark.parametrize("number", [0.5, 1.5, 0.1, 1e-05, 1e-300, -2.25, 19.99, 123456.789])
def test_a_double_is_spelled_as_the_service_writes_it(number: float) -> None:
    text = json.dumps(number)
    assert spelled(Fraction(text)) == text
    assert number_spelled(text) == Fraction(text)
    assert isinstance(read_decimal(text), Canonical)


@pytest.mark.parametrize("text", ["1.0", "1e0", "1.50", "0.00001", "1E-05", "-0.0", "1e+16", "0.1234567890123456789"])
def test_other_spellings_are_told_apart(text: str) -> None:
    assert number_spelled(text) is None
    assert not isinstance(read_decimal(text), Canonical)
    assert read_decimal(text) == Fraction(text)


@pytest.mark.parametrize("text", ["01", "+1", "-0", "", "1_0", "one", "1.", ".5", "1e999999999", "٣"])
def test_what_the_service_never_writes_is_no_number(text: str) -> None:
    assert number_spelled(text) is None


def test_a_number_that_no_double_prints_has_no_spelling() -> None:
    assert spelled(Fraction("0.1234567890123456789")) is None
    assert spelled(Fraction(1, 3)) is None
    assert spelled(10**20) == "100000000000000000000"


def test_negative_zero_is_another_spelling_of_zero() -> None:
    assert isinstance(read_integer("-0"), Fraction)
    assert read_integer("-0") == 0
    assert read_integer("-7") == -7
    assert not isinstance(read_integer("0"), Fraction)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0", 0), ("1", 1), ("01", 1), ("+1", 1), ("1.0", 1), ("1.", 1), (".", 0), ("-0", 0), ("-.", 0), ("12.00", 12)],
)
def test_a_string_is_the_index_that_opa_reads(text: str, wanted: int) -> None:
    assert array_index(text) == wanted


@pytest.mark.parametrize("text", ["", "+", "-", "-1", "1.5", "1e0", "a", "1 ", "--1", "1..", "٣", "0" * 20])
def test_a_string_that_opa_reads_no_index_of_is_none(text: str) -> None:
    assert array_index(text) is None
