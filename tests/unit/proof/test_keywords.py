"""Every keyword of claim schemas is noticed everywhere: two schemas that differ in it alone go through all of it.

A keyword that the check of tokens knows and the encoding does not would be proved about tokens that no one can have, or
not about some that they can; so each has a value that it refuses, and every pass has to refuse that one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from entitlements.contract import conforms
from entitlements.contract.change_rules import RULES
from entitlements.contract.conformance import _violations
from entitlements.contract.keywords import KEYWORDS
from entitlements.contract.schema_changes import schema_changes
from entitlements.contract.schema_subset import compile_validator, faults, normalised
from entitlements.proof.enumeration.values import Pool, values
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.relation import same_value
from entitlements.proof.symbolic.inputs.schema_encoding import conforming
from entitlements.proof.symbolic.smt.encoder import write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import Term, conj, neg
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Const, Object, Value, constant, joined
from tests.unit.proof.symbolic.test_relation import exact, schemas

_STRING: dict[str, Any] = {"type": "string", "maxLength": 40}
_NUMBER: dict[str, Any] = {"type": "number", "minimum": -50, "maximum": 50}
_LIST: dict[str, Any] = {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}
_KL = {"k": {"type": "boolean"}, "l": {"type": "boolean"}}
_OBJECT: dict[str, Any] = {"type": "object", "properties": _KL, "required": [], "additionalProperties": False}
_MAP: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-d]$"},
    "additionalProperties": {"enum": [True, "x"]},
    "maxProperties": 3,
}


@dataclass(frozen=True)
class Case:
    """Two schemas that differ in one keyword, a value that both permit, and one that the second refuses for it."""

    wide: dict[str, Any]
    narrow: dict[str, Any]
    good: Any
    bad: Any

    @property
    def is_map(self) -> bool:
        return "propertyNames" in self.narrow


def with_keyword(base: dict[str, Any], keyword: str, value: Any, good: Any, bad: Any) -> Case:
    return Case(base, {**base, keyword: value}, good, bad)


CASES = {
    "type": Case({"type": ["boolean", "string"]}, {"type": "boolean"}, True, "true"),
    "enum": with_keyword({"enum": ["a", "b", 1]}, "enum", ["a", 1], "a", "b"),
    "const": with_keyword(_STRING, "const", "a", "a", "b"),
    "pattern": with_keyword(_STRING, "pattern", "^[ab]+$", "ab", "c"),
    "format": with_keyword(_STRING, "format", "date", "2026-02-28", "2026-02-30"),
    "minimum": with_keyword(_NUMBER, "minimum", 1.5, 1.5, 1.25),
    "exclusiveMinimum": with_keyword(_NUMBER, "exclusiveMinimum", 1.5, 1.75, 1.5),
    "minLength": with_keyword(_STRING, "minLength", 2, "ab", "a"),
    "minItems": with_keyword(_LIST, "minItems", 2, ["a", "a"], ["a"]),
    "maximum": with_keyword(_NUMBER, "maximum", 1.5, 1.5, 1.75),
    "exclusiveMaximum": with_keyword(_NUMBER, "exclusiveMaximum", 1.5, 1.25, 1.5),
    "maxLength": with_keyword(_STRING, "maxLength", 2, "ab", "abc"),
    "maxItems": with_keyword(_LIST, "maxItems", 1, ["a"], ["a", "b"]),
    "multipleOf": with_keyword(_NUMBER, "multipleOf", 0.5, 1.5, 1.25),
    "items": with_keyword(_LIST, "items", {"enum": ["a"]}, ["a"], ["b"]),
    "uniqueItems": with_keyword(_LIST, "uniqueItems", True, ["a", "b"], ["a", "a"]),
    "properties": with_keyword(_OBJECT, "properties", {"k": {"type": "boolean"}}, {"k": True}, {"l": True}),
    "required": with_keyword(_OBJECT, "required", ["k"], {"k": True}, {}),
    "additionalProperties": with_keyword(_MAP, "additionalProperties", {"enum": ["x"]}, {"a": "x"}, {"a": True}),
    "propertyNames": with_keyword(_MAP, "propertyNames", {"pattern": "^[ab]$"}, {"a": "x"}, {"c": "x"}),
    "maxProperties": with_keyword(_MAP, "maxProperties", 1, {"a": "x"}, {"a": "x", "b": "x"}),
}
_SET = {**_LIST, "uniqueItems": True}
_WHOLE = {**_NUMBER, "type": "integer"}
_NULLABLE = {**_STRING, "type": ["null", "string"]}
# Where the encoding of a keyword depends on others beside it.
VARIANTS = {
    "minItems of a set": with_keyword(_SET, "minItems", 2, ["a", "b"], ["a"]),
    "maxItems of a set": with_keyword(_SET, "maxItems", 1, ["a"], ["a", "b"]),
    "items of objects": with_keyword(
        {**_LIST, "items": _OBJECT}, "items", {**_OBJECT, "required": ["k"]}, [{"k": True}], [{}]
    ),
    "minimum of a short range": with_keyword({**_WHOLE, "maximum": 3}, "minimum", 1, 1, 0),
    "exclusiveMinimum of a short range": with_keyword({**_WHOLE, "maximum": 3}, "exclusiveMinimum", 1, 2, 1),
    "exclusiveMaximum of whole numbers": with_keyword(_WHOLE, "exclusiveMaximum", 9, 8, 9),
    "multipleOf of whole numbers": with_keyword(_WHOLE, "multipleOf", 3, 6, 7),
    "pattern of a union": with_keyword(_NULLABLE, "pattern", "^a$", "a", "b"),
    "maxLength of a union": with_keyword(_NULLABLE, "maxLength", 1, None, "ab"),
    "minLength beside a pattern": with_keyword({**_STRING, "pattern": "^a*$"}, "minLength", 2, "aa", "a"),
    "format of an address": with_keyword(_STRING, "format", "email", "a@example.com", "a"),
}
EACH = pytest.mark.parametrize("keyword", CASES)
VARIED = pytest.mark.parametrize("case", [*CASES.values(), *VARIANTS.values()], ids=[*CASES, *VARIANTS])


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver() as made:
        yield made


def test_every_keyword_has_a_case_but_those_that_say_nothing_of_a_value() -> None:
    assert CASES.keys() == {name for name, keyword in KEYWORDS.items() if not keyword.annotation}
    for name, case in {**CASES, **VARIANTS}.items():
        keyword = name.split()[0]
        assert not [*faults(case.wide, ()), *faults(case.narrow, ())]
        assert normalised(case.wide).get(keyword) != normalised(case.narrow).get(keyword)  # type: ignore[union-attr]
        assert {k: v for k, v in case.wide.items() if k != keyword} == {
            k: v for k, v in case.narrow.items() if k != keyword
        }


@pytest.mark.parametrize("keyword", [name for name, one in KEYWORDS.items() if one.annotation])
def test_an_annotation_is_gone_before_anyone_could_notice(keyword: str) -> None:
    assert normalised({**_STRING, keyword: "some words"}) == normalised(_STRING)


@EACH
def test_tokens_are_checked_by_it(keyword: str) -> None:
    case = CASES[keyword]
    assert all(conforms(schema, case.good) for schema in (case.wide, case.narrow))
    assert conforms(case.wide, case.bad)
    assert not conforms(case.narrow, case.bad)
    (violation,) = _violations(compile_validator(case.narrow), case.bad, "c")
    row = KEYWORDS[keyword]
    if row.code and not isinstance(case.bad, dict):
        assert violation.code == row.code
        assert violation.message.startswith(row.words)


@EACH
def test_a_change_of_it_is_found_both_ways(keyword: str) -> None:
    case = CASES[keyword]
    for old, new in ((case.wide, case.narrow), (case.narrow, case.wide)):
        found = {change.rule for change in schema_changes(old, new, "claims.c.schema", "c")}
        assert found
        # What is in a list or a map is found by the rules of its own schema.
        assert found <= {*KEYWORDS[keyword].rules} or keyword in ("items", "additionalProperties")


def test_the_change_rules_of_a_keyword_are_rules() -> None:
    assert {rule for keyword in KEYWORDS.values() for rule in keyword.rules} <= RULES.keys()


def _scalars(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [*document, *(one for value in document.values() for one in _scalars(value))]
    return [one for item in document for one in _scalars(item)] if isinstance(document, list) else [document]


@EACH
def test_enumeration_tries_what_it_refuses_only_where_it_does_not_stand(keyword: str) -> None:
    case = CASES[keyword]
    constants = [*_scalars(case.good), *_scalars(case.bad)]
    narrow, wide = (values(one, Pool.of(constants, [one]), limit=200) for one in (case.narrow, case.wide))
    assert case.good in narrow
    assert not all(conforms(case.narrow, one) for one in wide)
    assert all(conforms(case.narrow, one) for one in narrow)


def _is(algebra: Algebra, value: Value, document: Any) -> Term:
    """Where a value is a document; of a map, where its members that are looked at are those."""
    ((_, leaf),) = value.cases if len(value.cases) == 1 else ((None, None),)
    if not isinstance(leaf, Object) or leaf.rest is None:
        return same_value(algebra, value, constant(exact(document)))
    members = {name: joined(algebra.object_lookup(leaf, Const(name))) for name in document}
    return conj(*(algebra.equal(member, constant(exact(document[name]))) for name, member in members.items()))


def _decide(_predicate: str, rules: str, text: str) -> bool:
    return conforms(json.loads(rules), text)


def _possible(solver: Solver, inputs: Inputs, *goals: Term) -> bool:
    query = write_query([*goals, *inputs.facts], inputs.strings, _decide)
    answer = solver.solve(query.script).answer
    assert answer in (SAT, UNSAT)
    return answer == SAT


@VARIED
@pytest.mark.parametrize("full", [False, True], ids=["as it stands", "element by element"])
def test_the_encoding_of_an_input_permits_what_the_schema_permits(case: Case, full: bool, solver: Solver) -> None:
    for schema, document in ((case.narrow, case.good), (case.wide, case.bad), (case.narrow, case.bad)):
        inputs = Inputs(Algebra(Limits()), full=frozenset({"c"} if full else ()))
        found = _is(inputs.algebra, inputs.of_schema(schema, "c"), document)
        assert _possible(solver, inputs, found) == conforms(schema, document), (schema, document)


@VARIED
def test_the_encoding_of_conformance_and_its_negation_are_exact(case: Case, solver: Solver) -> None:
    """The relation of tokens uses both, see `proof-bounds`."""
    inputs = Inputs(Algebra(Limits()), full=frozenset({"c"}))
    value = inputs.of_schema(case.wide, "c")
    if case.is_map:
        with pytest.raises(Unsupported):
            conforming(inputs.algebra, case.narrow, value)
        return
    holds = conforming(inputs.algebra, case.narrow, value)
    good, bad = (_is(inputs.algebra, value, document) for document in (case.good, case.bad))
    assert [_possible(solver, inputs, one, holds) for one in (good, bad)] == [True, False]
    assert [_possible(solver, inputs, one, neg(holds)) for one in (good, bad)] == [False, True]


def _keywords(schema: Any) -> set[str]:
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    return {*schema}.union(*(_keywords(one) for one in inner if isinstance(one, dict)))


def test_the_property_tests_of_the_relation_draw_every_keyword() -> None:
    drawn: set[str] = set()

    @settings(database=None, derandomize=True, phases=[Phase.generate], max_examples=200, deadline=None)
    @given(schemas)
    def draw(schema: dict[str, Any]) -> None:
        drawn.update(_keywords(schema))

    draw()
    assert drawn == CASES.keys()


def test_numbers_of_the_cases_are_exact() -> None:
    """A case with a number that a double rounds would test the rounding."""
    for case in CASES.values():
        for one in [*_scalars(case.good), *_scalars(case.bad)]:
            assert not isinstance(one, float) or Fraction(one) == Fraction(str(one))
