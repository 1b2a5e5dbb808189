"""What is said of a constant string that is split, trimmed or cut."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.terms.string_terms import (
    HAS_SEGMENT,
    PARTS,
    PREDICATES,
    REPLACE,
    SEGMENT,
    SEGMENTS,
    SUBSTRING,
    segments_parameter,
)

STRINGS = ["", "a", "a/b", "a/b/c", "/", "a/", "//", "ab"]


@pytest.mark.parametrize("string", STRINGS)
def test_segments_are_those_of_the_split_string(string: str) -> None:
    segments = string.split("/")
    for place in range(5):
        enough = PREDICATES[SEGMENTS](string, segments_parameter("/", place + 1))
        assert enough is (place < len(segments))
        if enough:
            assert PARTS[SEGMENT](string, segments_parameter("/", place)) == segments[place]
    for word in ("", "a", "b", "ab"):
        assert PREDICATES[HAS_SEGMENT](string, segments_parameter("/", word)) is (word in segments)


@pytest.mark.parametrize(("how", "parameter", "wanted"), [(SUBSTRING, "[1, 2]", "bc"), (SUBSTRING, "[1, -1]", "bcd")])
def test_substring_begins_and_ends_where_it_says(how: str, parameter: str, wanted: str) -> None:
    assert PARTS[how]("abcd", parameter) == wanted
    assert PARTS[REPLACE]("abab", '["ab", "x"]') == "xx"
