"""Digests of plans and documents: of all of the content, whatever the order of members."""

from __future__ import annotations

from fractions import Fraction

import pytest

from entitlements.proof.evidence import digest

PLAN = {"plans": [1, {"name": "a"}], "static": {"strings": ["x"]}}


def test_order_of_members_is_no_difference() -> None:
    assert digest(PLAN) == digest({"static": {"strings": ["x"]}, "plans": [1, {"name": "a"}]})


@pytest.mark.parametrize(
    "other",
    [
        {"plans": [1, {"name": "b"}], "static": {"strings": ["x"]}},
        {"plans": [{"name": "a"}, 1], "static": {"strings": ["x"]}},
        {"plans": [1, {"name": "a"}], "static": {"strings": []}},
        {"plans": [1, {"name": "a"}]},
    ],
    ids=str,
)
def test_any_other_content_has_another_digest(other: object) -> None:
    assert digest(other) != digest(PLAN)


def test_number_with_a_point_keeps_its_exact_value() -> None:
    assert digest([Fraction(1, 3)]) != digest([Fraction(1, 4)])
    assert digest([Fraction(1, 10)]) == digest([Fraction(2, 20)])
