"""How a number is written, where that can matter: OPA keeps the spelling of a number, and some built-ins and look-ups
tell spellings of one number apart.

The service hands each number to OPA in one spelling (`contract/policy_input.py`): digits where it is whole, else the
shortest decimal of its double, as Python writes it.
"""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]{1,3})?")


class Canonical(Fraction):
    """A number with a fraction, in the spelling in which the service hands it to OPA."""


def read_integer(text: str) -> int | Fraction:
    """A whole number of JSON; a Fraction where it is spelled otherwise than the service does (`-0`)."""
    return int(text) if text != "-0" else Fraction(0)


def read_decimal(text: str) -> Fraction:
    """A number of JSON with a point or an exponent: `Canonical`, or a Fraction in any other spelling."""
    return Canonical(text) if spelled(Fraction(text)) == text else Fraction(text)


def spelled(number: int | Fraction) -> str | None:
    """How the service hands a number to OPA; None where it never does, as no double prints so."""
    if number.denominator == 1:
        return str(int(number))
    try:
        text = repr(float(number))
    except OverflowError:
        return None
    return text if Fraction(text) == number else None


def number_spelled(text: str) -> int | Fraction | None:
    """The number that the service hands to OPA as this text, if there is one."""
    if _DIGITS.fullmatch(text):
        return None if text == "-0" else int(text)
    if not _DECIMAL.fullmatch(text) or len(text) > 40:
        return None
    return number if spelled(number := Fraction(text)) == text else None
