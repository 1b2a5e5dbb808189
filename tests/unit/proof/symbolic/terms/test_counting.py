"""How many conditions hold, compared with a number: simplified, and for every assignment what it says."""

from __future__ import annotations

import itertools

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, FALSE, TRUE, Term, count, equal, less, number, variable


@pytest.mark.parametrize("fixed", [(), (TRUE,), (FALSE, TRUE)], ids=str)
@pytest.mark.parametrize("size", range(4))
def test_count_is_compared_as_the_number_that_it_is(size: int, fixed: tuple[Term, ...]) -> None:
    counted = count([*fixed, *(variable(f"c{place}", BOOL) for place in range(size))])
    more = sum(term is TRUE for term in fixed)
    for bound, held in itertools.product(range(-1, size + 3), itertools.product((True, False), repeat=size)):
        assignment = Assignment(
            {f"c{place}": one for place, one in enumerate(held)}, {}, lambda *_: False, lambda _: None
        )
        found = sum(held) + more
        said = [
            (less(counted, number(bound)), found < bound),
            (less(counted, number(bound), strict=False), found <= bound),
            (less(number(bound), counted), bound < found),
            (less(number(bound), counted, strict=False), bound <= found),
        ]
        for term, holds in said:
            assert assignment.of(term) is holds, (term, bound, held)
        assert assignment.of(equal(counted, number(bound))) is (found == bound)
