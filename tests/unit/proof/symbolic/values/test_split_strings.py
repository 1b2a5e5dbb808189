"""The segments of a string that is split: exact as far as they are followed, and never fewer than there are."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.string_terms import SEGMENT, SEGMENTS, on_string, part, segments_parameter
from entitlements.proof.symbolic.terms.term import STRING_SORT, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.split_strings import beside, has_segment, is_known
from entitlements.proof.symbolic.values.value import STRING, Array, Const, Scalar, Segments, constant, of_leaf

SUBJECT = variable("s", STRING_SORT)
KNOWN = 2


def segments() -> Array:
    """The first two segments of a string that is split at `/`."""
    elements = tuple(
        (
            on_string(SEGMENTS, segments_parameter("/", place + 1), SUBJECT) if place else TRUE,
            of_leaf(Scalar(STRING, part(SEGMENT, segments_parameter("/", place), SUBJECT))),
        )
        for place in range(KNOWN)
    )
    more = on_string(SEGMENTS, segments_parameter("/", KNOWN + 1), SUBJECT)
    return Array(elements, known_multiplicity=False, segments=Segments(SUBJECT, "/", KNOWN, more))


def assigned(text: str) -> Assignment:
    return Assignment({"s": text}, {}, lambda *_: False, lambda _: "")


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/c", "a/", "/b", "b/a"])
def test_string_equals_a_list_of_segments_only_with_as_many(text: str) -> None:
    for wanted in (["a"], ["a", "b"], ["a", ""], [""]):
        same = Algebra(Limits()).equal(of_leaf(segments()), constant(wanted))
        assert assigned(text).of(same) is (text.split("/") == wanted)


def test_longer_list_than_is_known_is_left_open() -> None:
    longer = constant(["a", "b", "c"]).cases[0][1]
    assert isinstance(longer, Array)
    assert beside(segments(), longer) is None


@pytest.mark.parametrize("text", ["", "a", "x/y/z/a", "ab", "b"])
def test_constant_is_among_the_segments_however_many_there_are(text: str) -> None:
    pieces = segments().segments
    assert pieces is not None
    assert assigned(text).of(has_segment(pieces, Const("a"))) is ("a" in text.split("/"))
    assert assigned(text).of(has_segment(pieces, Const(1))) is False


@pytest.mark.parametrize(("key", "known"), [(0, True), (1, True), (2, False), (-1, False), ("0", False)])
def test_only_the_first_segments_are_known_by_their_index(key: object, known: bool) -> None:
    assert is_known(segments(), Const(key)) is known
