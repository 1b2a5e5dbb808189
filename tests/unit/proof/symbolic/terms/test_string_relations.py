"""What is said of two strings, and of numbers in digits, is cut down to what is open in it."""

from __future__ import annotations

import itertools

import pytest

from entitlements.proof.symbolic.terms.string_relations import digits, holds_of, same_strings
from entitlements.proof.symbolic.terms.string_terms import PREDICATES, concatenation, on_string
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    INT,
    STRING_SORT,
    TRUE,
    Term,
    conj,
    disj,
    equal,
    number,
    string,
    truth,
    variable,
)

S, T = variable("s", STRING_SORT), variable("t", STRING_SORT)
N, M = variable("n", INT), variable("m", INT)
EMPTY = string("")


def built(*parts: str | Term) -> Term:
    return concatenation([string(part) if isinstance(part, str) else part for part in parts])


@pytest.mark.parametrize(("one", "other"), [*itertools.product(["", "a", "ab", "ba", "abab"], repeat=2)])
def test_relations_of_constants_are_those_of_the_strings(one: str, other: str) -> None:
    assert same_strings(string(one), string(other)) is truth(one == other)
    for predicate in ("prefix", "suffix", "infix"):
        assert holds_of(predicate, string(one), string(other)) is truth(PREDICATES[predicate](other, one))


def test_equal_ends_of_two_strings_are_cut_off() -> None:
    assert same_strings(built("a-", S, "-z"), built("a-", T, "-z")) is equal(S, T)
    assert same_strings(built("a-", S), built("a-b", T)) is equal(S, built("b", T))
    assert same_strings(built("a", S), built("b", S)) is FALSE
    assert same_strings(built(S, T), S) is equal(T, EMPTY)
    assert same_strings(built(S, "x"), S) is FALSE


def test_a_number_in_digits_is_the_number() -> None:
    assert digits(number(-12)) is string("-12")
    assert same_strings(built("n-", digits(N)), string("n-7")) is equal(N, number(7))
    assert same_strings(digits(N), digits(M)) is equal(N, M)
    for written in ("", "07", "-0", "+1", "1.0", "1e3", "٣", " 1", "1 "):
        assert same_strings(digits(N), string(written)) is FALSE


def test_a_part_of_a_constant_is_one_of_few_strings() -> None:
    one_of = disj(equal(S, EMPTY), equal(S, string("a")), equal(S, string("aa")))
    assert holds_of("prefix", S, string("aa")) is one_of
    assert holds_of("suffix", S, string("aa")) is one_of
    assert holds_of("infix", S, string("aa")) is one_of


def test_what_both_begin_with_says_nothing_of_a_prefix() -> None:
    assert holds_of("prefix", built("/home/", S), built("/home/", S, "/x")) is TRUE
    assert holds_of("prefix", built("/a", S), built("/b", T)) is FALSE
    assert holds_of("prefix", string("u-x"), built("u-", S)) is on_string("prefix", "x", S)
    assert holds_of("suffix", string("x-u"), built(S, "-u")) is on_string("suffix", "x", S)
    assert holds_of("prefix", built(S, T), S) is conj(equal(T, EMPTY))
    assert holds_of("infix", built(S, "/"), built("a", S, "/", T)) is TRUE
    assert holds_of("infix", built(S, "/"), built("a", S, T)).op == "on_strings"
    assert holds_of("infix", S, built("a", S)) is TRUE
