"""JSON Schema as conditions on symbolic values: the contract's subset, read for all values at once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from entitlements.contract import alternatives, conforms, is_map
from entitlements.engine.builtin_calls import SetDocument
from entitlements.engine.spelling import Canonical
from entitlements.proof.symbolic.inputs.lengths import length
from entitlements.proof.symbolic.terms.string_terms import CONFORMS, on_string
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    TRUE,
    Term,
    arithmetic,
    conj,
    disj,
    implies,
    is_whole,
    less,
    neg,
    number,
    truth,
)
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.concrete import plain_leaf
from entitlements.proof.symbolic.values.value import (
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    Array,
    Const,
    Leaf,
    Object,
    Set,
    Value,
    joined,
    term_of,
)

_STRING_RULES = ("pattern", "minLength", "maxLength", "format")
_SHORT_RANGE = 16
_BOUNDS = (
    ("minimum", False, False),
    ("maximum", True, False),
    ("exclusiveMinimum", False, True),
    ("exclusiveMaximum", True, True),
)


def exact(value: Any) -> Any:
    """A number of a contract document as its exact decimal value, in the service's spelling."""
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() else Canonical(str(value))


def finite_domain(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that a schema lists, as far as its other rules permit them; None where it lists none."""
    listed = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else None
    return None if listed is None else [exact(value) for value in listed if conforms(schema, value)]


def string_rules(schema: Mapping[str, Any]) -> str:
    """What a schema demands of a string, as a canonical document; empty where any string will do."""
    rules = {name: schema[name] for name in _STRING_RULES if name in schema}
    return json.dumps({"type": STRING, **rules}, sort_keys=True) if rules else ""


def number_rules(schema: Mapping[str, Any], subject: Term) -> Term:
    """What a schema demands of a number."""
    found = [is_whole(subject)] if schema.get("type") == "integer" else []
    for keyword, upper, strict in _BOUNDS:
        if keyword in schema:
            bound = number(exact(schema[keyword]))
            found.append(less(subject, bound, strict=strict) if upper else less(bound, subject, strict=strict))
    if "multipleOf" in schema:
        found.append(is_whole(arithmetic("*", subject, number(1 / Fraction(exact(schema["multipleOf"]))))))
    return conj(*found)


def conforming(algebra: Algebra, schema: Mapping[str, Any], value: Value) -> Term:
    """Where a value is defined and conforms to a schema."""
    return disj(*(conj(guard, _leaf(algebra, schema, leaf)) for guard, leaf in value.cases))


def _leaf(algebra: Algebra, schema: Mapping[str, Any], leaf: Leaf) -> Term:
    if isinstance(leaf, Set):
        return FALSE
    known, document = plain_leaf(leaf)
    if known:
        return truth(conforms(schema, _document(document)))
    listed = finite_domain(schema)
    if listed is not None:
        return disj(*(algebra.same(leaf, Const(value)) for value in listed))
    forms = alternatives(schema)
    if len(forms) > 1:
        return disj(*(_leaf(algebra, form, leaf) for form in forms))
    kind = schema.get("type")
    if leaf.kind == NUMBER:
        return number_rules(schema, term_of(leaf)) if kind in ("number", "integer") else FALSE
    if leaf.kind == STRING:
        rules = string_rules(schema)
        return FALSE if kind != STRING else on_string(CONFORMS, rules, term_of(leaf)) if rules else TRUE
    if isinstance(leaf, Array):
        return _array(algebra, schema, leaf) if kind == ARRAY else FALSE
    return _object(algebra, schema, leaf) if kind == OBJECT and isinstance(leaf, Object) else FALSE


def _document(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _document(member) for name, member in document.items()}
    if isinstance(document, list) and not isinstance(document, SetDocument):
        return [_document(item) for item in document]
    return float(document) if isinstance(document, Fraction) else document


def _array(algebra: Algebra, schema: Mapping[str, Any], leaf: Array) -> Term:
    found = [implies(guard, conforming(algebra, schema["items"], element)) for guard, element in leaf.elements]
    size = length(algebra, leaf)
    found.append(less(number(schema.get("minItems", 0)), size, strict=False))
    found.append(less(size, number(schema["maxItems"]), strict=False))
    if schema.get("uniqueItems"):
        found.append(distinct(algebra, leaf))
    return conj(*found)


def distinct(algebra: Algebra, leaf: Array) -> Term:
    """Where no element occurs twice. Raises OrderNeeded where it is not known how often one occurs."""
    if not leaf.known_multiplicity and leaf.repeats is None:
        algebra.need_order(leaf)
    found = [neg(repeat) for repeat in leaf.repeats or ()]
    for place, (guard, element) in enumerate(leaf.elements):
        for other, again in leaf.elements[:place]:
            found.append(neg(conj(guard, other, algebra.equal(element, again))))
    return conj(*found)


def _object(algebra: Algebra, schema: Mapping[str, Any], leaf: Object) -> Term:
    if is_map(schema):
        raise Unsupported("map_not_followed", "whether an object is a map that the contract permits is not followed")
    found = []
    required = set(schema.get("required", ()))
    if leaf.rest is not None:
        return _open_object(algebra, schema, leaf)
    for guard, key, member in leaf.members:
        inner = schema["properties"].get(key.value) if isinstance(key, Const) else None
        found.append(implies(guard, conforming(algebra, inner, member)) if inner else neg(guard))
    for name in required:
        held = disj(*(guard for guard, key, _ in leaf.members if key is Const(name)))
        found.append(held)
    return conj(*found)


def _open_object(algebra: Algebra, schema: Mapping[str, Any], leaf: Object) -> Term:
    """An object of which nothing is said conforms where its declared members do, and where there is no other one.

    One member that no one names represents all others: whatever is true of some request is true with it and without it.
    """
    found = [neg(_open_member(algebra, leaf, another_member(schema)).defined)]
    for name, inner in schema["properties"].items():
        member = _open_member(algebra, leaf, name)
        missing = FALSE if name in schema.get("required", ()) else neg(member.defined)
        found.append(disj(missing, conforming(algebra, inner, member)))
    return conj(*found)


def _open_member(algebra: Algebra, leaf: Object, name: str) -> Value:
    return joined(algebra.object_lookup(leaf, Const(name)))


def another_member(schema: Mapping[str, Any]) -> str:
    """A name that a schema does not declare."""
    name = "another member"
    while name in schema["properties"]:
        name += "'"
    return name


def longest_needed(schema: Mapping[str, Any], value: Value) -> dict[str, int]:
    """How many elements of each list that is truncated have to be looked at to say whether it is too long."""
    found: dict[str, int] = {}
    for _, leaf in value.cases:
        if isinstance(leaf, Array) and "items" in schema:
            if leaf.truncated and len(leaf.elements) <= schema["maxItems"]:
                found |= dict.fromkeys(leaf.truncated, schema["maxItems"] + 1)
            for _, element in leaf.elements:
                found |= longest_needed(schema["items"], element)
        elif isinstance(leaf, Object) and leaf.rest is None and "properties" in schema:
            for _, key, member in leaf.members:
                if isinstance(key, Const) and key.value in schema["properties"]:
                    found |= longest_needed(schema["properties"][key.value], member)
    return found


def short_range(schema: Mapping[str, Any]) -> range:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None or high is None or high - low >= _SHORT_RANGE:
        return range(0)
    return range(math.ceil(low), math.floor(high) + 1)
