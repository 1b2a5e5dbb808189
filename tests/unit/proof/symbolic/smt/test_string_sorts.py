"""Which strings may be equal to one another, and which are asked for more than equality."""

from __future__ import annotations

from entitlements.proof.symbolic.smt.string_sorts import StringSorts
from entitlements.proof.symbolic.terms.string_terms import PREFIX, on_string
from entitlements.proof.symbolic.terms.term import STRING_SORT, Term, equal, string, subterms, variable

A, B, C, D = (variable(name, STRING_SORT) for name in "abcd")


def groups(*goals: Term, strings_as_strings: bool = False) -> StringSorts:
    return StringSorts(list(subterms(goals)), strings_as_strings=strings_as_strings)


def test_strings_that_are_compared_with_one_that_has_a_prefix_are_strings_too() -> None:
    found = groups(equal(A, B), equal(B, C), on_string(PREFIX, "x", C), equal(D, string("x")))
    assert [found.needs_string_theory(one) for one in (A, B, C, D)] == [True, True, True, False]
    assert found.group(A) is found.group(C)
    assert found.group(A) is not found.group(D)


def test_a_constant_joins_no_two_strings() -> None:
    found = groups(equal(A, string("x")), equal(B, string("x")), on_string(PREFIX, "x", B))
    assert not found.needs_string_theory(A)
    assert found.needs_string_theory(B)


def test_strings_that_are_compared_only_stand_as_numbers_unless_asked_otherwise() -> None:
    assert not groups(equal(A, B)).needs_string_theory(A)
    assert groups(equal(A, B), strings_as_strings=True).needs_string_theory(A)
