"""The strict reader accepts what RFC 8259 and RFC 7493 allow and refuses each trap by its code."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements import strict_json
from entitlements.errors import JSONRefused

REFUSED = {
    "duplicate member": (b'{"a":1,"a":1}', "json_duplicate_member"),
    "escaped duplicate": (b'{"a":1,"\\u0061":2}', "json_duplicate_member"),
    "nested duplicate": (b'[{"a":{"b":1,"b":2}}]', "json_duplicate_member"),
    "NaN": (b"[NaN]", "json_not_a_number"),
    "Infinity": (b"-Infinity", "json_not_a_number"),
    "1e400": (b"1e400", "json_number_out_of_range"),
    "2^53": (b"9007199254740992", "json_number_out_of_range"),
    "2^53 as a float": (b"9007199254740992.0", "json_number_out_of_range"),
    "5000 digits": (b"9" * 5000, "json_number_out_of_range"),
    "depth": (b"[" * 33 + b"]" * 33, "json_too_deep"),
    "depth 100000": (b"[" * 100_000, "json_too_deep"),
    "depth behind a string": (b'["[[[[",' + b'{"a":' * 40, "json_too_deep"),
    "lone surrogate": (b'"\\ud800"', "json_lone_surrogate"),
    "lone surrogate in a name": (b'{"\\udfff":1}', "json_lone_surrogate"),
    "byte order mark": (b"\xef\xbb\xbf{}", "json_byte_order_mark"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "json_not_utf8"),
    "overlong UTF-8": (b'"\xc0\x80"', "json_not_utf8"),
    "encoded surrogate": (b'"\xed\xa0\x80"', "json_not_utf8"),
    "two documents": (b"{} {}", "json_malformed"),
    "trailing text": (b"{}x", "json_malformed"),
    "comment": (b"{/* */}", "json_malformed"),
    "raw control byte": (b'"\x00"', "json_malformed"),
    "empty": (b"", "json_malformed"),
    "truncated": (b'{"a":', "json_malformed"),
    "single quotes": (b"{'a':1}", "json_malformed"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_trap_is_refused_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(JSONRefused) as caught:
        strict_json.loads(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740991", -(2**53) + 1),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'"' + b"[" * 100 + b'"', "[" * 100),
        (b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]', ['"' + "[" * 40]),
        (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
        (b" 1.5 ", 1.5),
    ],
)
def test_near_miss_is_accepted(data: bytes, value: object) -> None:
    assert strict_json.loads(data) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        value = strict_json.loads(data)
    except JSONRefused:
        return
    assert json.loads(data) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_what_was_written_is_read_back(value: object, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert strict_json.loads(data, max_depth=64) == value


def test_an_unterminated_string_full_of_escaped_quotes_is_refused_without_quadratic_work() -> None:
    """Row L4: a regular expression that starts again at each quote takes minutes for this text, and none of it here."""
    text = b"[" + b"[]," * 40 + b'"' + b'\\"' * 400_000
    with pytest.raises(JSONRefused) as refusal:
        strict_json.loads(text)
    assert refusal.value.code == "json_malformed"


@pytest.mark.parametrize(
    "text",
    [
        *("1e-400", "-1e-400", "0.1000000000000000055511151231257827", "0.123456789012345678"),
        *("1.00000000000000001", "1e-99999999999999999999", "123456789.123456789012", "2e-324"),
    ],
)
def test_number_that_loses_its_value_is_refused(text: str) -> None:
    """R13: what policy would be asked about is not what was written."""
    with pytest.raises(JSONRefused) as caught:
        strict_json.loads(f"[{text}]".encode())
    assert caught.value.code == "json_number_inexact"
    assert text not in caught.value.message


@pytest.mark.parametrize(
    "text", ["0.1", "19.99", "1.0", "1e2", "-0.0", "0e5", "0.10", "0.30000000000000004", "5e-324", "1.5E-7", "0.0e-999"]
)
def test_number_that_its_double_prints_is_read(text: str) -> None:
    assert strict_json.loads(f"[{text}]".encode()) == [float(text)]


def test_rounded_reading_takes_more_digits_and_no_number_that_vanishes() -> None:
    assert strict_json.loads(b"[0.33333333333333333334, 1.10]", rounded=True) == [1 / 3, 1.1]
    for text in (b"1e-400", b"1e400"):
        with pytest.raises(JSONRefused):
            strict_json.loads(text, rounded=True)
