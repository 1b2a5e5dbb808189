"""Which strings may be equal to one another, and which are asked for more than equality."""

from __future__ import annotations

from entitlements.proof.symbolic.smt.string_sorts import TextGroups
from entitlements.proof.symbolic.terms.string_terms import PREFIX, on_text
from entitlements.proof.symbolic.terms.term import TEXT, Term, equal, subterms, text, variable

A, B, C, D = (variable(name, TEXT) for name in "abcd")


def groups(*goals: Term, all_rich: bool = False) -> TextGroups:
    return TextGroups(list(subterms(goals)), all_rich=all_rich)


def test_strings_that_are_compared_with_one_that_has_a_prefix_are_strings_too() -> None:
    found = groups(equal(A, B), equal(B, C), on_text(PREFIX, "x", C), equal(D, text("x")))
    assert [found.rich(one) for one in (A, B, C, D)] == [True, True, True, False]
    assert found.group(A) is found.group(C)
    assert found.group(A) is not found.group(D)


def test_a_constant_joins_no_two_strings() -> None:
    found = groups(equal(A, text("x")), equal(B, text("x")), on_text(PREFIX, "x", B))
    assert not found.rich(A)
    assert found.rich(B)


def test_strings_that_are_compared_only_stand_as_numbers_unless_asked_otherwise() -> None:
    assert not groups(equal(A, B)).rich(A)
    assert groups(equal(A, B), all_rich=True).rich(A)
