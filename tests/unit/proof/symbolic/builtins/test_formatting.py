"""`sprintf` as Go prints: verbs and values whose result is known, and those that are left to OPA or not followed."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.builtins.formatting import RULES
from entitlements.proof.symbolic.builtins.table import NoRule
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import INT, REAL, STRING_SORT, TRUE, variable
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Array, Scalar, Value, constant, of_leaf

WHOLE = of_leaf(Scalar(NUMBER, variable("n", INT)))
FRACTION = of_leaf(Scalar(NUMBER, variable("x", REAL)))
TEXT = of_leaf(Scalar(STRING, variable("s", STRING_SORT)))


def printed(pattern: str, *values: Value) -> Value:
    limits = Limits()
    call = Builtins({}, Algebra(limits), limits, lambda *_, **__: [])
    listed = of_leaf(Array(tuple((TRUE, value) for value in values)))
    return RULES["sprintf"](call, [constant(pattern), listed], TRUE)


@pytest.mark.parametrize(
    ("pattern", "values", "wanted"),
    [
        ("%d", (WHOLE,), "-7"),
        ("n-%v", (WHOLE,), "n--7"),
        ("%s%%%v", (TEXT, WHOLE), "a%b%-7"),
        ("%v %s %v", (constant(True), constant(None), TEXT), "true null a%b"),
    ],
)
def test_verbs_print_what_go_prints(pattern: str, values: tuple[Value, ...], wanted: str) -> None:
    world = Assignment({"n": -7, "s": "a%b"}, {}, lambda *_: False, lambda _: None)
    assert world.document(printed(pattern, *values)) == wanted


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("%s", (WHOLE,)),
        ("%d", (TEXT,)),
        ("%d", (constant(True),)),
        ("%v", (FRACTION,)),
        ("%5d", (WHOLE,)),
        ("%x", (WHOLE,)),
        ("%d", (WHOLE, WHOLE)),
        ("%d %d", (WHOLE,)),
        ("%", (WHOLE,)),
        ("%[1]d", (WHOLE,)),
    ],
)
def test_what_is_printed_otherwise_has_no_rule(pattern: str, values: tuple[Value, ...]) -> None:
    with pytest.raises(NoRule):
        printed(pattern, *values)
