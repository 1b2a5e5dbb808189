"""Lists of the segments of a string, where they are read exactly: whatever else is asked of them is truncated."""

from __future__ import annotations

from entitlements.proof.symbolic.terms.string_terms import HAS_SEGMENT, on_string, segments_parameter
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    INT,
    Term,
    application,
    conditional,
    count,
    less,
    number,
    string,
)
from entitlements.proof.symbolic.values.value import STRING, UNDEFINED, Array, Const, Leaf, Segments, Value


def has_segment(segments: Segments, one: Const) -> Term:
    """Where a constant is one of the segments, however many there are."""
    return (
        on_string(HAS_SEGMENT, segments_parameter(segments.delimiter, one.value), segments.string)
        if one.kind == STRING
        else FALSE
    )


def how_many(array: Array, segments: Segments) -> Term:
    """How many segments there are: beyond those that are known that is not known, but that it is the same each time."""
    known = count([guard for guard, _ in array.elements[: segments.known]])
    others = application("split: how many", (segments.string, string(segments.delimiter)), INT)
    least = number(segments.known + 1)
    beyond = conditional(less(others, least), least, others)
    return conditional(segments.more, beyond, known)


def is_known(array: Array, key: Leaf) -> bool:
    """Whether an element is a segment that is known."""
    index = key.value if isinstance(key, Const) and isinstance(key.value, int) else -1
    return array.segments is not None and 0 <= index < array.segments.known


def beside(array: Array, other: Array) -> tuple[tuple[Term, Value], ...] | None:
    """The elements by index, as far as another list can hold them; None where that may be longer."""
    segments = array.segments
    if segments is None or len(other.elements) > segments.known:
        return None
    return (*array.elements[: segments.known], (segments.more, UNDEFINED))
