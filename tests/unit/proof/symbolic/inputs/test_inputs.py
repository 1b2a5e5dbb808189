"""Symbolic inputs: a document for every value that a schema permits, and no other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from entitlements.contract import conforms
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import BOOL, subterms
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Array, Object, Value

AB = {"enum": ["a", "b"]}
KEYED = {
    "type": "object",
    "properties": {"k": AB, "l": {"type": "boolean"}},
    "required": ["k"],
    "additionalProperties": False,
}
PAIRS = {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}
SCHEMAS = {
    "enum": (AB, 2),
    "boolean": ({"type": "boolean"}, 2),
    "short range": ({"type": "integer", "minimum": 1, "maximum": 3}, 3),
    "object": (KEYED, 6),
    "list": (PAIRS, 7),
    "list with a minimum": ({**PAIRS, "minItems": 1}, 6),
    "list without repetitions": ({**PAIRS, "uniqueItems": True}, 5),
}


def terms_of(value: Value) -> Iterator[Any]:
    for guard, leaf in value.cases:
        yield guard
        parts = leaf.elements if isinstance(leaf, Array) else [(g, m) for g, _, m in getattr(leaf, "members", ())]
        for there, inner in parts if isinstance(leaf, (Array, Object)) else ():
            yield there
            yield from terms_of(inner)


def documents(inputs: Inputs, value: Value) -> list[Any]:
    """What the value is under each assignment at which the facts hold."""
    known = list(subterms([*terms_of(value), *inputs.facts]))
    names = sorted({term.args[0] for term in known if term.op == "var" and term.sort == BOOL})
    sizes = {term.args[0]: term.args[2] for term in known if term.op == "choice"}
    found: list[Any] = []
    for bits in itertools.product((True, False), repeat=len(names)):
        for chosen in itertools.product(*map(range, sizes.values())):
            assignment = Assignment(
                dict(zip(names, bits, strict=True)),
                dict(zip(sizes, chosen, strict=True)),
                lambda *_: False,
                lambda _: None,
            )
            if all(assignment.of(fact) for fact in inputs.facts):
                document = assignment.document(value)
                found += [document] if document not in found else []
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_permitted_value_is_a_document_of_the_input(name: str) -> None:
    schema, number = SCHEMAS[name]
    inputs = Inputs(Algebra(Limits()), full=frozenset({"x"}))
    found = documents(inputs, inputs.of_schema(schema, "x"))
    assert all(conforms(schema, one) for one in found), found
    assert len(found) == number, found


def test_list_over_an_enum_stands_as_the_set_of_its_members() -> None:
    inputs = Inputs(Algebra(Limits()))
    found = documents(inputs, inputs.of_schema({"type": "array", "items": AB, "maxItems": 1}, "x"))
    assert sorted(map(sorted, found)) == [[], ["a"], ["b"]]


def test_list_that_is_longer_than_is_looked_at_is_truncated() -> None:
    inputs = Inputs(Algebra(Limits()))
    ((_, leaf),) = inputs.of_schema({**PAIRS, "maxItems": 9}, "x").cases
    assert dict(leaf.truncated) == {"x": 1}
    assert inputs.sizes == {"x": 3}
