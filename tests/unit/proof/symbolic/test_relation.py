"""Both readings of the migration relation held against each other: the predicate on values, the symbolic conditions.

On constants they agree exactly. A list that stands as the set of its members may be any order and repetition of them:
the symbolic reading is never false where the predicate holds of one of those.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from entitlements.contract import ClaimSpec, alternatives, conforms, is_map, parse_contract
from entitlements.contract.sources import PLAIN, Extraction
from entitlements.model import same_json
from entitlements.proof.migration import ABSENT, ClaimStep, related_claim, related_scopes, related_value
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.relation import claim_related, scopes_related, value_related
from entitlements.proof.symbolic.inputs.schema_encoding import conforming, number_rules
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, number, subterms, truth
from entitlements.proof.symbolic.values.algebra import Algebra, OrderNeeded, Unsupported
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import UNDEFINED, Array, Object, Value, constant, of_leaf
from tests.examples import examples
from tests.shop import SHOP

WORDS = ["a", "b", "c", 1, True, 0.5]
slow = settings(deadline=None, max_examples=examples(150), suppress_health_check=[*HealthCheck])


def counts(low: str, high: str, most: int) -> st.SearchStrategy[dict[str, int]]:
    """Two bounds, one of them or none."""
    pair = st.tuples(st.integers(0, most), st.integers(0, most)).map(sorted)
    return st.one_of(st.just({}), pair.map(lambda p: {low: p[0], high: p[1]}), pair.map(lambda p: {high: p[1]}))


texts = st.builds(
    lambda bounds, pattern: {"type": "string", **bounds, **pattern},
    counts("minLength", "maxLength", 3),
    st.sampled_from([{}, {"pattern": "^[ab]+$"}, {"pattern": "b"}, {"format": "hostname"}, {"format": "date"}]),
)
numbers = st.builds(
    lambda kind, bounds, step: {"type": kind, **bounds, **step},
    st.sampled_from(["integer", "number"]),
    st.one_of(
        counts("minimum", "maximum", 4),
        st.just({"exclusiveMinimum": 0, "maximum": 3}),
        st.just({"minimum": 1, "exclusiveMaximum": 4}),
    ),
    st.sampled_from([{}, {}, {"multipleOf": 2}, {"multipleOf": 0.5}]),
)
vocabularies = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique_by=repr).map(
    lambda found: {"enum": found}
)
scalars = st.one_of(vocabularies, vocabularies, texts, numbers, st.just({"type": "boolean"}), st.just({"const": "a"}))


def lists(items: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda inner, bounds, unique: {"type": "array", "items": inner, "maxItems": 3, **bounds, **unique},
        items,
        counts("minItems", "maxItems", 3),
        st.sampled_from([{}, {"uniqueItems": True}]),
    )


def objects(members: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def made(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": sorted({name for name in required if name in properties}),
            "additionalProperties": False,
        }

    return st.builds(
        made,
        st.dictionaries(st.sampled_from(["k", "l", "m"]), members, min_size=1, max_size=3),
        st.lists(st.sampled_from(["k", "l", "m"]), max_size=3),
    )


def unions(members: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A schema or null, or strings or numbers with the bounds of both."""

    def with_null(schema: dict[str, Any]) -> dict[str, Any]:
        return {**schema, "type": sorted([schema["type"], "null"])} if "type" in schema else schema

    def of_both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {**one, **other, "type": sorted([one["type"], other["type"]])}

    plain = members.filter(lambda schema: not isinstance(schema.get("type"), list))
    return st.one_of(plain.map(with_null), st.builds(of_both, texts, numbers))


def maps(values: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda inner, pattern, most: {
            "type": "object",
            "propertyNames": {"pattern": pattern},
            "additionalProperties": inner,
            "maxProperties": most,
        },
        values,
        st.sampled_from(["^[kl]$", "^[k-m]$"]),
        st.integers(1, 2),
    )


schemas = st.recursive(
    scalars, lambda inner: st.one_of(lists(inner), objects(inner), unions(inner), maps(inner)), max_leaves=4
)


def changed(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A schema that is near another one: the same, or with parts of it drawn anew."""
    near: list[st.SearchStrategy[dict[str, Any]]] = [st.just(schema), schemas]
    if "enum" in schema:
        near = [st.just(schema), vocabularies, vocabularies]
    elif schema.get("type") == "string":
        near = [texts]
    elif schema.get("type") in ("integer", "number"):
        near = [numbers]
    elif isinstance(schema.get("type"), list):
        near = [st.just(schema), unions(scalars)]
    elif is_map(schema):
        near = [st.just(schema), maps(changed(schema["additionalProperties"]))]
    elif schema.get("type") == "array":
        near = [lists(changed(schema["items"])), lists(st.just(schema["items"]))]
    elif schema.get("type") == "object":
        near = [objects(st.one_of([changed(inner) for inner in schema["properties"].values()]))]
    return st.one_of(near)


pairs = schemas.flatmap(lambda old: changed(old).map(lambda new: (copy.deepcopy(old), copy.deepcopy(new))))
anything = st.recursive(
    st.sampled_from([*WORDS, None, "", "ab", "abb", 0, 2, 3, 4, 1.5, False]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["k", "l", "m"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that conform, as far as they are easily found."""
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    forms = alternatives(schema)
    if len(forms) > 1:
        return st.one_of(*map(fitting, forms))
    kind = schema["type"]
    if kind == "null":
        return st.none()
    if is_map(schema):
        return st.dictionaries(st.sampled_from(["k", "l", "m"]), fitting(schema["additionalProperties"]), max_size=2)
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        return st.sampled_from(["", "a", "b", "c", "ab", "ba", "abb", "xyz", "2026-02-28"])
    if kind in ("integer", "number"):
        return st.sampled_from([0, 1, 2, 3, 4, 1.5, 0.5])
    if kind == "array":
        return st.lists(fitting(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema["maxItems"])
    required = schema.get("required", [])
    return st.fixed_dictionaries(
        {name: fitting(schema["properties"][name]) for name in required},
        optional={name: fitting(inner) for name, inner in schema["properties"].items() if name not in required},
    )


def algebra() -> Algebra:
    return Algebra(Limits())


def exact(document: Any) -> Any:
    """A document with its numbers as they stand in it."""
    if isinstance(document, dict):
        return {name: exact(member) for name, member in document.items()}
    if isinstance(document, list):
        return [exact(item) for item in document]
    return Fraction(str(document)) if isinstance(document, float) else document


def folded(term: Term) -> bool:
    assert term in (TRUE, FALSE), f"a constant did not fold: {term!r}"
    return term is TRUE


def value_of(document: Any) -> Value:
    return UNDEFINED if document is ABSENT else constant(exact(document))


@slow
@given(schemas, anything)
def test_a_constant_conforms_as_the_validator_says(schema: dict[str, Any], document: Any) -> None:
    assert folded(conforming(algebra(), schema, constant(exact(document)))) == conforms(schema, document)


@slow
@given(st.data())
def test_present_constants_are_related_as_the_predicate_says(data: st.DataObject) -> None:
    old, new = data.draw(pairs)
    before, after = data.draw(fitting(old)), data.draw(st.one_of(fitting(new), fitting(old)))
    assume(conforms(old, before) and conforms(new, after))
    found = value_related(algebra(), old, new, value_of(before), value_of(after))
    assert folded(found) == related_value(old, new, before, after)


def spec(schema: dict[str, Any] | None, required: bool, read: Extraction = PLAIN) -> ClaimSpec | None:
    return None if schema is None else ClaimSpec("c", schema, required, "internal", ("access_token",), "", "", read)


def ways(schema: dict[str, Any]) -> st.SearchStrategy[Extraction]:
    """How a claim may be read: items are ignored in lists only."""
    ignoring = [Extraction(ignored=("own",)), Extraction(ignored=("other", "own"))]
    return st.sampled_from([PLAIN, PLAIN, Extraction(source=("x",)), *(ignoring if "items" in schema else [])])


@slow
@given(st.data())
def test_claims_are_related_as_the_predicate_says(data: st.DataObject) -> None:
    """Absent, required and released in every combination."""
    old, new = data.draw(pairs)
    specs = [spec(schema, data.draw(st.booleans()), data.draw(ways(schema))) for schema in (old, new)]
    step = ClaimStep("c", "c", *specs)
    released = data.draw(st.tuples(st.booleans(), st.booleans()))
    values = []
    for schema, claim, there in ((old, step.before, released[0]), (new, step.after, released[1])):
        value = ABSENT
        if there and (claim is None or claim.required or data.draw(st.booleans())):
            value = data.draw(fitting(schema))
            assume(conforms(schema, value))
        values.append(value)
    wanted = related_claim(step, *values, released=released)
    # A claim that is not released is not there, whatever its value: the sides leave it out of the token.
    terms = (truth(released[0]), truth(released[1]))
    found = folded(claim_related(algebra(), step, *map(value_of, values), terms))
    assert found == wanted


def as_members(schema: dict[str, Any], listed: list[Any]) -> Value:
    """A list as the set of its members, as inputs make it, with its members decided."""
    elements = tuple(
        (truth(any(same_json(word, one) for one in listed)), constant(exact(word))) for word in schema["items"]["enum"]
    )
    unique = bool(schema.get("uniqueItems"))
    return of_leaf(Array(elements, prefix=False, ordered=False, known_multiplicity=unique, source_list="list"))


def arrangements(schema: dict[str, Any], listed: list[Any]) -> list[list[Any]]:
    """Every permitted list with just these members."""
    found = []
    for size in range(len(listed), schema["maxItems"] + 1):
        for made in itertools.product(listed, repeat=size):
            if all(any(same_json(one, item) for item in made) for one in listed) and conforms(schema, list(made)):
                found.append(list(made))
    return found


enumerated = lists(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True).map(lambda w: {"enum": w})
)


@slow
@given(st.data())
def test_lists_that_stand_as_members_are_related_where_some_arrangement_is(data: st.DataObject) -> None:
    old, new = data.draw(enumerated), data.draw(enumerated)
    full = data.draw(st.tuples(st.booleans(), st.booleans()))
    members = [
        data.draw(st.lists(st.sampled_from(s["items"]["enum"]), unique=True, max_size=s["maxItems"]))
        for s in (old, new)
    ]
    listed = [arrangements(schema, one) for schema, one in zip((old, new), members, strict=True)]
    assume(all(listed))
    # A side that is taken in full has one arrangement, the other may have any.
    chosen = [[data.draw(st.sampled_from(made))] if whole else made for made, whole in zip(listed, full, strict=True)]
    values = [
        constant(made[0]) if whole else as_members(schema, one)
        for schema, one, made, whole in zip((old, new), members, chosen, full, strict=True)
    ]
    found = value_related(algebra(), old, new, *values)
    possible = any(related_value(old, new, before, after) for before in chosen[0] for after in chosen[1])
    if possible:
        assert found is TRUE, (old, new, members)


BASE: dict[str, Any] = {
    **SHOP,
    "claims": {"c": {"schema": {"type": "boolean"}}},
}
names = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4, unique=True)


@slow
@given(st.data())
def test_scopes_are_related_as_the_predicate_says(data: st.DataObject) -> None:
    contracts = [
        parse_contract(
            json.dumps({**BASE, "scopes": {name: {"claims": []} for name in data.draw(names)}}), Path("x"), named=False
        )
        for _ in range(2)
    ]
    held = [frozenset(data.draw(st.lists(st.sampled_from(sorted(c.scopes)), unique=True))) for c in contracts]
    bits = [{n: truth(n in one) for n in sorted(c.scopes)} for c, one in zip(contracts, held, strict=True)]
    old, new = contracts
    assert folded(scopes_related(old, new, *bits)) == related_scopes(old, new, *held)


def guards(value: Value) -> Iterator[Term]:
    """Every condition within a value."""
    for guard, leaf in value.cases:
        yield guard
        inner = (
            leaf.elements
            if isinstance(leaf, Array)
            else [(g, v) for g, _, v in leaf.members]
            if isinstance(leaf, Object)
            else ()
        )
        for condition, element in inner:
            yield condition
            yield from guards(element)


def everything(inputs: Inputs, assignment: Assignment) -> bool:
    return all(assignment.of(fact) for fact in inputs.facts)


@slow
@given(st.data())
def test_every_value_that_the_facts_permit_conforms(data: st.DataObject) -> None:
    """What symbolic inputs can be is never more than the schema permits."""
    schema = data.draw(schemas)
    whole = data.draw(st.booleans())
    inputs = Inputs(algebra(), full=frozenset({"c"}) if whole else frozenset())
    try:
        value = inputs.of_schema(schema, "c")
    except (Unsupported, OrderNeeded):
        # No value at all, or lists of lists that have to be taken in full first.
        return
    drawn: dict[str, Any] = {}

    def default(term: Term) -> Any:
        kinds = {"bool": st.booleans(), "int": st.integers(-1, 8), "text": st.sampled_from(["", "a", "b", "ab", "xyz"])}
        other = st.integers(-2, 9).map(lambda n: Fraction(n, 2))
        return drawn.setdefault(term.args[0], data.draw(kinds.get(term.sort, other)))

    sizes = {term.args[0]: term.args[2] for term in subterms([*guards(value), *inputs.facts]) if term.op == "choice"}
    choices = {name: data.draw(st.integers(0, size - 1)) for name, size in sizes.items()}
    assignment = Assignment({}, choices, lambda predicate, rules, text: conforms(json.loads(rules), text), default)
    document = assignment.document(value)
    good_texts = all(
        conforms(json.loads(rule), drawn[name])
        for name, rules in inputs.strings.items()
        if name in drawn
        for rule in rules
    )
    if document is not ABSENT and good_texts and everything(inputs, assignment):
        members_only = any(isinstance(leaf, Array) and not leaf.known_multiplicity for _, leaf in value.cases)
        if not members_only:
            assert conforms(schema, document), document


@pytest.mark.parametrize("step", [2, 3, 0.1, 0.5, 0.001])
@slow
@given(one=st.one_of(st.integers(-(2**70), 2**70), st.integers(-1000, 1000).map(lambda n: n / 10)))
def test_multiples_of_a_step(step: float, one: float) -> None:
    """The validator and the exact reading agree, or the exact one would leave out a token."""
    schema = {"type": "number", "multipleOf": step}
    if conforms(schema, one):
        assert folded(number_rules(schema, number(exact(one))))


KEYWORDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]


@slow
@given(st.sampled_from(KEYWORDS), st.integers(-(2**53) + 1, 2**53 - 1), st.integers(-2, 2), st.integers(0, 80))
def test_bounds_of_large_numbers(keyword: str, bound: int, off: int, shift: int) -> None:
    one = bound + off if shift < 40 else (bound << shift) + off
    schema = {"type": "integer", keyword: bound}
    assert folded(number_rules(schema, number(one))) == conforms(schema, one)


@slow
@given(
    numbers, st.one_of(st.integers(-2, 6), st.integers(-20, 60).map(lambda n: n / 10), st.integers(2**53 - 2, 2**65))
)
def test_numbers_conform_as_the_validator_says(schema: dict[str, Any], one: float) -> None:
    assert folded(number_rules(schema, number(exact(one)))) == conforms(schema, one)
