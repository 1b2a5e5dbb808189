"""The one JSON reader: what `json.loads` lets pass and must not reach a decision is refused here.

Refused: bytes that are not UTF-8, a byte order mark, duplicate member names (RFC 8259 section 4, RFC 7493 section
2.3), NaN and Infinity, numbers that a double cannot hold exactly as an integer (RFC 7493 section 2.2), fractions
whose decimal is not the one that their double prints, lone
surrogates (RFC 7493 section 2.1) and nesting beyond a bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import NoReturn

from entitlements.errors import JSONRefused
from entitlements.model import JSON

MAX_DEPTH = 32
MAX_SAFE_INTEGER = 2**53 - 1
# An unterminated string ends with the text: tried again from each of its quotes, it would take quadratic time.
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)


def loads(data: bytes, *, max_depth: int = MAX_DEPTH, rounded: bool = False) -> JSON:
    """Parse UTF-8 JSON text strictly.

    data: the whole text; max_depth: how deep arrays and objects may nest; rounded: take a number with more digits than
    a double holds as the nearest one (OPA prints twenty of `1/3`).
    Raises JSONRefused with a stable code; the message never quotes the text.
    """
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise JSONRefused("json_not_utf8", "the text is not valid UTF-8") from None
    if text.startswith("\ufeff"):
        raise JSONRefused("json_byte_order_mark", "the text starts with a byte order mark")
    _refuse_depth(text, max_depth)
    try:
        value: JSON = (_ROUNDING if rounded else _EXACT).decode(text)
    except JSONRefused:
        raise
    except (ValueError, RecursionError):
        raise JSONRefused("json_malformed", "the text is not valid JSON") from None
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def _refuse_depth(text: str, max_depth: int) -> None:
    # Only count brackets at all when there are enough of them to matter.
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            if depth > max_depth:
                raise JSONRefused("json_too_deep", f"the text nests deeper than {max_depth} levels")
        elif match[2]:
            depth -= 1


def _refuse_lone_surrogates(value: JSON) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise JSONRefused("json_lone_surrogate", "the text escapes a lone surrogate") from None


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JSONRefused("json_duplicate_member", "an object names a member twice")
    return members


def _integer(digits: str) -> int:
    # The length test comes first: int() of thousands of digits is slow.
    if len(digits) > 17 or abs(number := int(digits)) > MAX_SAFE_INTEGER:
        raise JSONRefused("json_number_out_of_range", "a number is beyond the exact range of a double")
    return number


def _rounded(text: str) -> float:
    number = float(text)
    if abs(number) > MAX_SAFE_INTEGER:
        raise JSONRefused("json_number_out_of_range", "a number is beyond the exact range of a double")
    if number == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0]):
        raise JSONRefused("json_number_inexact", "a number is too small for a double")
    return number


def _float(text: str) -> float:
    """A double that prints the very decimal that was written: `0.1` is one, 18 significant digits are none."""
    number = _rounded(text)
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except DecimalException:
        exact = False
    if not exact:
        raise JSONRefused("json_number_inexact", "a number has more digits than a double holds")
    return number


def _constant(_name: str) -> NoReturn:
    raise JSONRefused("json_not_a_number", "NaN and Infinity are no JSON")


def _decoder(parse_float: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_unique, parse_int=_integer, parse_float=parse_float, parse_constant=_constant, strict=True
    )


_EXACT, _ROUNDING = _decoder(_float), _decoder(_rounded)
