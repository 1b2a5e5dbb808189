"""Keys of base documents: converted where OPA converts them, refused where it is not known, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.proof.symbolic.execution.bound_keys import refuse_bound
from entitlements.proof.symbolic.execution.references import converted_member
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import FALSE, INT, REAL, STRING_SORT, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Scalar, Set, Value, constant, of_leaf

PLACE = Place("a.rego", 3, 1)
NAMED = constant({"1": "one", "1.5": "half", "x": "ex"})
LISTED = constant(["zero", "one"])
WHOLE, STRING_KEY = (of_leaf(Scalar(k, variable("k", s))) for k, s in ((NUMBER, INT), (STRING, STRING_SORT)))
DECIMAL = of_leaf(Scalar(NUMBER, variable("k", REAL)))


def found(value: Value, **variables: Any) -> Any:
    document = Assignment(variables, {}, lambda *_: False, lambda _: None).document(value)
    return document if Assignment.present(document) else None


@pytest.mark.parametrize(
    ("source", "key", "wanted"),
    [
        (NAMED, 1, "one"),
        (NAMED, 1.5, "half"),
        (NAMED, 2, None),
        (NAMED, "x", None),
        (LISTED, "1", "one"),
        (LISTED, "+1", "one"),
        (LISTED, "1.0", "one"),
        (LISTED, "2", None),
        (LISTED, "x", None),
        (LISTED, 1, None),
    ],
)
def test_key_in_a_reference_names_what_opa_finds_by_its_spelling(source: Value, key: Any, wanted: Any) -> None:
    assert found(converted_member(PLACE, source, constant(key), TRUE, known=True)) == wanted


def test_whole_number_names_the_member_of_its_digits() -> None:
    value = converted_member(PLACE, NAMED, WHOLE, TRUE, known=True)
    assert [found(value, k=k) for k in (0, 1, 2)] == [None, "one", None]


@pytest.mark.parametrize(
    ("source", "key", "known"),
    [
        (NAMED, constant(1), False),
        (LISTED, constant("1"), False),
        (LISTED, STRING_KEY, True),
        (LISTED, STRING_KEY, False),
    ],
    ids=["number", "index", "open string", "open string, perhaps"],
)
def test_key_that_may_be_converted_is_not_followed(source: Value, key: Value, known: bool) -> None:
    with pytest.raises(Unsupported, match=r"a\.rego:3"):
        converted_member(PLACE, source, key, TRUE, known=known)
    assert found(converted_member(PLACE, source, key, FALSE, known=known)) is None


@pytest.mark.parametrize("held", ["1", "1.5"])
def test_number_that_may_be_the_string_of_a_partial_rule_is_not_followed(held: str) -> None:
    of_rule = of_leaf(Set(((TRUE, constant(held)), (TRUE, constant("x")))))
    for key in (constant(1), WHOLE, DECIMAL):
        with pytest.raises(Unsupported):
            refuse_bound(PLACE, of_rule, key, TRUE)
    refuse_bound(PLACE, of_rule, constant("x"), TRUE)
    refuse_bound(PLACE, of_rule, constant(1), FALSE)


def test_partial_rule_without_numbers_is_followed() -> None:
    for key in (constant(1), WHOLE, constant("1"), STRING_KEY):
        refuse_bound(PLACE, of_leaf(Set(((TRUE, constant("x")),))), key, TRUE)
