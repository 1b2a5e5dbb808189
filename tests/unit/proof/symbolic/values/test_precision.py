"""How many elements of a truncated list a decision can depend on, as the readings of it are written down."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.values.precision import Limits


def test_each_reading_needs_its_element() -> None:
    limits = Limits()
    limits.scanned("xs", 1, 1)
    limits.scanned("xs", 2, 2)
    assert limits.scans == {"xs": 3}
    assert set(limits.cut) == {"xs"}


def test_one_reading_in_all_rounds_of_a_loop_is_counted_once() -> None:
    limits = Limits()
    with limits.within():
        for _ in range(3):
            limits.scanned("xs", "inner", 1)
    assert limits.scans == {"xs": 1}


def test_reading_in_a_negation_within_a_loop_may_need_any_number() -> None:
    """Each element of the outer loop may need another one of the inner."""
    limits = Limits()
    with limits.within(), limits.apart():
        limits.scanned("xs", 1, 1)
    assert limits.scans == {"xs": None}
    limits.scanned("xs", 2, 1)
    assert limits.scans == {"xs": None}


def test_reading_in_a_negation_outside_of_loops_needs_one() -> None:
    limits = Limits()
    with limits.apart():
        limits.scanned("xs", 1, 1)
    with limits.within():
        pass
    limits.scanned("xs", 2, 1)
    assert limits.scans == {"xs": 2}


def test_reading_that_has_to_hold_of_every_element_of_a_loop_may_need_any_number() -> None:
    limits = Limits()
    with limits.within(every=True):
        limits.scanned("xs", 1, 1)
    assert limits.scans == {"xs": None}


@pytest.mark.parametrize("before", [0, 2])
def test_order_and_length_need_the_whole_list(before: int) -> None:
    limits = Limits()
    for site in range(before):
        limits.scanned("xs", site, 1)
    limits.truncated("xs")
    limits.scanned("xs", "later", 1)
    assert limits.scans == {"xs": None}
