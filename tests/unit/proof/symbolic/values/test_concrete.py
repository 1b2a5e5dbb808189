"""When a symbolic value is one constant document, and which constants it may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entitlements.engine.builtin_calls import SetDocument
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, FALSE, STRING_SORT, TRUE, variable
from entitlements.proof.symbolic.values.concrete import alternatives, compare, in_order, plain
from entitlements.proof.symbolic.values.truncation import of_list
from entitlements.proof.symbolic.values.value import STRING, Array, Const, Leaf, Object, Scalar, Set, constant, of_leaf

THERE = variable("there", BOOL)
ONE, TWO = constant(1), constant(2)
LIST = Array(((TRUE, ONE), (TRUE, TWO)))
MEMBERS = ((TRUE, Const("a"), ONE), (TRUE, Const("b"), TWO))


@pytest.mark.parametrize(
    ("leaf", "document"),
    [
        (LIST, [1, 2]),
        (replace(LIST, elements=((FALSE, ONE), (TRUE, TWO))), [2]),
        (Set(LIST.elements), SetDocument([1, 2])),
        (Object(MEMBERS), {"a": 1, "b": 2}),
    ],
)
def test_value_of_constants_is_a_document(leaf: Leaf, document: object) -> None:
    assert plain(of_leaf(leaf)) == (True, document)


@pytest.mark.parametrize(
    "leaf",
    [
        Array(((TRUE, ONE), (THERE, TWO))),
        Array(((TRUE, ONE.where(THERE)),)),
        Array(((TRUE, of_leaf(Scalar(STRING, variable("s", STRING_SORT)))),)),
        replace(LIST, truncated=of_list("xs")),
        replace(LIST, ordered=False),
        replace(LIST, known_multiplicity=False),
        Set(((TRUE, ONE), (THERE, TWO))),
        Object(((TRUE, Const("a"), ONE), (THERE, Const("b"), TWO))),
        Object(((TRUE, Const(1), ONE),)),
        replace(Object(MEMBERS), truncated=of_list("xs")),
    ],
)
def test_value_that_may_be_several_documents_is_none(leaf: Leaf) -> None:
    assert plain(of_leaf(leaf)) == (False, None)


def test_alternatives_are_all_documents_that_a_value_may_be() -> None:
    value = of_leaf(Array(((TRUE, ONE), (THERE, TWO))))
    found = alternatives(value, 4)
    assert found is not None
    for present, document in ((True, [1, 2]), (False, [1])):
        assignment = Assignment({"there": present}, {}, lambda *_: False, lambda _: None)
        assert [one for condition, one in found if assignment.of(condition)] == [document]
    assert alternatives(value, 1) is None


def test_documents_are_sorted_as_opa_sorts_them() -> None:
    documents = [None, False, True, -1, 1, "", "a", [1], [1, 1], [2], {"a": 1}, {"a": 2}, {"b": 0}, SetDocument([1])]
    assert in_order(reversed(documents)) == documents
    assert all(compare(one, one) == 0 for one in documents)
