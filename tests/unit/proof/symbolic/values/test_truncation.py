"""How many elements of truncated lists the elements of a collection depend on."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.values.truncation import WHOLE, added, of_both, of_either, of_list


@pytest.mark.parametrize(("one", "other", "wanted"), [(0, 0, 0), (1, 2, 3), (None, 1, None), (1, None, None)])
def test_needs_of_both_add_up(one: int | None, other: int | None, wanted: int | None) -> None:
    assert added(one, other) == wanted
    assert of_both({"xs": one}, {"xs": other}) == {"xs": wanted}


@pytest.mark.parametrize(("one", "other", "wanted"), [(1, 2, 2), (2, 1, 2), (None, 1, None), (3, None, None)])
def test_of_either_the_greater_is_needed(one: int | None, other: int | None, wanted: int | None) -> None:
    assert of_either({"xs": one}, {"xs": other}) == {"xs": wanted}


def test_each_list_is_counted_by_itself() -> None:
    one, other = of_list("xs"), of_list("ys")
    assert of_both(one, other) == of_either(one, other) == {"xs": 1, "ys": 1}
    assert of_both(WHOLE, WHOLE) == of_either() == {}
    assert of_both(one, WHOLE) == of_either(one, WHOLE) == {"xs": 1}
