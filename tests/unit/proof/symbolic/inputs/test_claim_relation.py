"""The symbolic relation of one claim beside the predicate: small enums, required or not, released or not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from entitlements.contract import ClaimSpec
from entitlements.proof.migration import ABSENT, ClaimStep, related_claim
from entitlements.proof.symbolic.inputs.relation import claim_related
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, truth
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import UNDEFINED, Value, constant

ENUMS = [["a", "b"], ["b", "c"], ["a"], [1, 2]]


def spec(values: list[Any], required: bool) -> ClaimSpec:
    return ClaimSpec("n", {"enum": values}, required, "internal", ("access_token",), "", "")


def symbolic(value: Any) -> Value:
    return UNDEFINED if value is ABSENT else constant(value)


@pytest.mark.parametrize("required", [*itertools.product((True, False), repeat=2)], ids=str)
@pytest.mark.parametrize("released", [*itertools.product((True, False), repeat=2)], ids=str)
def test_claim_is_related_where_the_predicate_says(required: tuple[bool, bool], released: tuple[bool, bool]) -> None:
    algebra = Algebra(Limits())
    for old, new in itertools.product(ENUMS, ENUMS):
        step = ClaimStep("n", "n", spec(old, required[0]), spec(new, required[1]))
        befores = [*old, *([] if required[0] else [ABSENT])] if released[0] else [ABSENT]
        afters = [*new, *([] if required[1] else [ABSENT])] if released[1] else [ABSENT]
        for before, after in itertools.product(befores, afters):
            there = truth(released[0]), truth(released[1])
            found = claim_related(algebra, step, symbolic(before), symbolic(after), there)
            assert found in (TRUE, FALSE)
            wanted = related_claim(step, before, after, released=released)
            assert (found is TRUE) is wanted, (old, new, before, after)
