"""What terms are under an assignment; a model that guessed wrongly what a predicate says is none."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown, of_model
from entitlements.proof.symbolic.smt.encoder import Query
from entitlements.proof.symbolic.terms.string_terms import MATCHES, on_string
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    REAL,
    STRING_SORT,
    application,
    conj,
    disj,
    equal,
    string,
    variable,
)
from entitlements.proof.symbolic.values.value import NUMBER, Scalar, of_leaf

NAME, THERE = variable("name", STRING_SORT), variable("there", BOOL)
GUESSED = on_string(MATCHES, "^a", NAME)
QUERY = Query("", {"v1": NAME}, {}, frozenset(), assumed=(GUESSED,))


def of(query: Query, name: str) -> Assignment:
    return of_model(query, {"v1": name}, lambda _: {}, lambda _p, _q, value: value.startswith("a"), lambda _: "")


def test_model_whose_guess_is_right_is_taken() -> None:
    assert of(QUERY, "ab").of(GUESSED) is True
    assert of(QUERY, "ab").surely


def test_model_whose_guess_is_wrong_is_not_known() -> None:
    with pytest.raises(NotKnown):
        of(QUERY, "ba")


def test_guess_that_cannot_be_told_leaves_the_model_unsure() -> None:
    unsure = replace(QUERY, assumed=(equal(application("f", (NAME,), STRING_SORT), string("x")),))
    assert not of(unsure, "ab").surely


def test_what_nothing_is_known_of_decides_only_where_the_rest_does_not() -> None:
    open_term = equal(application("f", (NAME,), STRING_SORT), string("x"))
    assignment = Assignment({"there": True, "name": "a"}, {}, lambda *_: False, lambda _: "")
    assert assignment.of(disj(THERE, open_term)) is True
    with pytest.raises(NotKnown):
        assignment.of(conj(THERE, open_term))


def test_number_without_a_decimal_form_makes_the_document_inexact() -> None:
    for value, exact in ((Fraction(1, 2), True), (Fraction(3), True), (Fraction(1, 3), False)):
        assignment = Assignment({"n": value}, {}, lambda *_: False, lambda _: 0)
        assignment.document(of_leaf(Scalar(NUMBER, variable("n", REAL))))
        assert assignment.exact is exact
