"""What a policy may be given, as symbolic values: every value that a schema permits, at once.

Kept as facts: what the schemas demand of the variables. A list over a finite domain stands as the set of its
members as long as nothing but membership is asked of it; any other is looked at up to a bound.

Assumes: the schema is of the contract's subset. Guarantees: each value that the schema permits is the value under
some assignment that satisfies `facts`, but for lists that are longer than `sizes` says; those carry their name in
`truncated`. Why so many elements suffice: docs/proof-bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from entitlements.contract import ObjectSpec, alternatives, conforms, has_map, is_map
from entitlements.proof.symbolic.inputs.dates import any_date
from entitlements.proof.symbolic.inputs.lengths import MOST_REPEATS, beyond, repeated
from entitlements.proof.symbolic.inputs.names import part_name
from entitlements.proof.symbolic.inputs.schema_encoding import (
    distinct,
    exact,
    finite_domain,
    number_rules,
    short_range,
    string_rules,
)
from entitlements.proof.symbolic.terms.string_terms import DATE_RULES
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    INT,
    REAL,
    STRING_SORT,
    TRUE,
    Term,
    arithmetic,
    choice,
    conj,
    count,
    disj,
    equal,
    less,
    neg,
    number,
    variable,
)
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.truncation import of_list
from entitlements.proof.symbolic.values.value import (
    NUMBER,
    STRING,
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Scalar,
    Value,
    constant,
    from_truth,
    of_leaf,
)

LOOKED_AT = 3
MOST_LOOKED_AT = 10
_OPEN_ELEMENTS = 2


class OpenMembers:
    """The members of an open object: made when a policy names one, and the same one each time."""

    def __init__(self, inputs: Inputs, name: str, without: Set[str] = frozenset()) -> None:
        self._inputs = inputs
        self._name = name
        self._without = without
        self.known: dict[str, Value] = {}

    def __call__(self, key: str) -> Value:
        """The member of a name; undefined for one that may not be there."""
        if key not in self.known and key not in self._without:
            self.known[key] = self._inputs.anything(f"{self._name}.{part_name(key)}", optional=True)
        return self.known.get(key, UNDEFINED)


class MapMembers:
    """The members of a map: made when a policy names one that its pattern permits."""

    def __init__(self, inputs: Inputs, schema: Mapping[str, Any], name: str) -> None:
        self._inputs = inputs
        self._schema = schema
        self._name = name
        self.known: dict[str, Value] = {}

    def __call__(self, key: str) -> Value:
        """The member of a name; undefined for a name that is not permitted."""
        if not conforms({"type": STRING, **self._schema["propertyNames"]}, key):
            return UNDEFINED
        if key not in self.known:
            path = f"{self._name}.{part_name(key)}"
            there = variable(f"{path} there", BOOL)
            self.known[key] = self._inputs.of_schema(self._schema["additionalProperties"], path).where(there)
            if len(self.known) > self._schema["maxProperties"]:
                size = count([value.defined for value in self.known.values()])
                self._inputs.facts.append(less(size, number(self._schema["maxProperties"]), strict=False))
        return self.known[key]


@dataclass
class Inputs:
    """Makes symbolic inputs and keeps what is known of them.

    bounds: how many elements of a list are looked at, by its name; looked_at: how many of any other; full: lists that
    are taken element by element though their finite domain is closed; generous: whether lists that differ between the
    tokens may be longer than is looked at; facts: conditions that hold of all inputs;
    strings: what each string variable has to conform to, as canonical schemas; sizes: how many elements of each list
    are looked at; wanted: how many would be needed; by_length: lists that stand as the set of their members though one
    may repeat; apart: lists within the elements of a list without repetitions, which fewer elements could make equal;
    truncated: lists of which longer ones are permitted; related: lists that differ between the tokens, to be related.
    """

    algebra: Algebra
    bounds: Mapping[str, int] = field(default_factory=dict)
    looked_at: int = LOOKED_AT
    full: Set[str] = frozenset()
    generous: bool = True
    facts: list[Term] = field(default_factory=list)
    strings: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    by_length: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    related: set[str] = field(default_factory=set)
    _distinct: int = 0

    def of_schema(self, schema: Mapping[str, Any], name: str) -> Value:
        """Any value that a schema permits. name: of the variables that it is made of."""
        listed = finite_domain(schema)
        if listed is not None:
            return self._one_of(listed, name)
        forms = alternatives(schema)
        if len(forms) > 1:
            return self._any_of(forms, name)
        kind = schema["type"]
        if kind == "null":
            return constant(None)
        if kind == "boolean":
            return from_truth(variable(name, BOOL))
        if kind in ("integer", "number"):
            return self._number(schema, name)
        if kind == STRING:
            return self.string(name, string_rules(schema))
        return self._list(schema, name) if kind == "array" else self._object(schema, name)

    def _any_of(self, forms: Sequence[Mapping[str, Any]], name: str) -> Value:
        """A value of one of several types."""
        cases: list[tuple[Term, Leaf]] = []
        for place, form in enumerate(forms):
            chosen = choice(f"{name} type", place, len(forms))
            value = self.of_schema(form, f"{name} as {form['type']}")
            cases += [(conj(chosen, guard), leaf) for guard, leaf in value.cases]
        return Value(tuple(cases))

    def string(self, name: str, rules: str = "") -> Value:
        """Any text that conforms to the rules."""
        if rules == DATE_RULES:
            date, bounds = any_date(name)
            self.facts += bounds
            return of_leaf(Scalar(STRING, date))
        known = self.strings.setdefault(name, [])
        if rules and rules not in known:
            known.append(rules)
        return of_leaf(Scalar(STRING, variable(name, STRING_SORT)))

    @staticmethod
    def _one_of(values: list[Any], name: str) -> Value:
        if not values:
            raise Unsupported("schema_empty", f"`{name}` may have no value at all")
        return Value(tuple((choice(name, i, len(values)), Const(value)) for i, value in enumerate(values)))

    def _number(self, schema: Mapping[str, Any], name: str) -> Value:
        whole = schema["type"] == "integer"
        if whole and (short := short_range(schema)):
            return self._one_of([value for value in short if conforms(schema, value)], name)
        term = variable(name, INT if whole else REAL)
        plain = {key: rule for key, rule in schema.items() if key != "multipleOf"}
        self.facts.append(number_rules(plain, term))
        if "multipleOf" in schema:
            times = variable(f"{name} times", INT)
            self.facts.append(equal(term, arithmetic("*", number(Fraction(exact(schema["multipleOf"]))), times)))
        return of_leaf(Scalar(NUMBER, term))

    def _object(self, schema: Mapping[str, Any], name: str) -> Value:
        if is_map(schema):
            return Value(((TRUE, Object((), MapMembers(self, schema, name))),))
        required = schema.get("required", ())
        members: list[tuple[Term, Leaf, Value]] = []
        for key, inner in schema["properties"].items():
            path = f"{name}.{part_name(key)}"
            there = TRUE if key in required else variable(f"{path} there", BOOL)
            members.append((there, Const(key), self.of_schema(inner, path)))
        return of_leaf(Object(tuple(members)))

    def _list(self, schema: Mapping[str, Any], name: str) -> Value:
        if has_map(schema["items"]):
            raise Unsupported("map_not_followed", f"`{name}`: maps in a list are not followed")
        listed = finite_domain(schema["items"])
        if listed is not None and name not in self.full:
            return self._members(schema, listed, name)
        least, most = int(schema.get("minItems", 0)), int(schema["maxItems"])
        looked_at = min(most, max(self.bounds.get(name, self.looked_at), least))
        if looked_at > MOST_LOOKED_AT and looked_at > self.bounds.get(name, 0):
            raise Unsupported("list_too_long", f"`{name}` has {looked_at} elements or more, too many to look at")
        self.sizes[name] = looked_at
        self.apart |= {name} if self._distinct else set()
        unique = bool(schema.get("uniqueItems"))
        related = self.generous and name in self.related and looked_at < most
        self._distinct += unique
        # Of a list that is related to another one, those that matter may be fewer than the list has.
        elements = self._elements(schema["items"], name, (min(least, 1) if related else least, looked_at))
        self._distinct -= unique
        if looked_at == most:
            array = Array(elements)
        else:
            self.truncated.add(name)
            more = None
            if related or name not in self.related:
                there = [guard for guard, _ in elements]
                more = beyond(name, there, (least, most), repeat=not unique, related=related)
            array = Array(elements, truncated=of_list(name), more=more)
        if unique:
            self.facts.append(distinct(self.algebra, array))
        return of_leaf(array)

    def _elements(self, items: Mapping[str, Any], name: str, limits: tuple[int, int]) -> tuple[tuple[Term, Value], ...]:
        least, most = limits
        elements = []
        for place in range(most):
            longer = [choice(f"{name} size", n - least, most - least + 1) for n in range(least, most + 1) if n > place]
            elements.append((disj(*longer), self.of_schema(items, f"{name}[{place}]")))
        return tuple(elements)

    def _members(self, schema: Mapping[str, Any], listed: list[Any], name: str) -> Value:
        """The list as the set of its members, and its length. How often one occurs is known where none may repeat."""
        elements = tuple((variable(f"{name} has {value!r}", BOOL), constant(value)) for value in listed)
        least, most = int(schema.get("minItems", 0)), int(schema["maxItems"])
        unique = bool(schema.get("uniqueItems"))
        there = [guard for guard, _ in elements]
        self.by_length |= set() if unique else {name}
        repeats = None if unique or most > MOST_REPEATS else repeated(name, there, least, most)
        size = count(there)
        self.facts.append(less(size, number(most), strict=False))
        if least and unique:
            self.facts.append(less(number(least), size, strict=False))
        elif least:
            self.facts.append(disj(*there))
        return of_leaf(
            Array(elements, prefix=False, ordered=False, known_multiplicity=unique, repeats=repeats, source_list=name)
        )

    def of_members(self, spec: ObjectSpec, name: str) -> Value:
        """Any object of a typed part of a request."""
        return self._object(spec.schema(), name)

    def open_object(self, name: str, *, there: Term = TRUE, without: Set[str] = frozenset()) -> Value:
        """An object of which nothing is said: each member is made when a policy names it."""
        return Value(((there, Object((), OpenMembers(self, name, without))),))

    def anything(self, name: str, *, optional: bool) -> Value:
        """Any JSON value, or none at all where it is optional."""
        kinds = ("null", "false", "true", "number", "string", "array", "object", "absent")[: 8 if optional else 7]
        at = {kind: choice(f"{name} kind", i, len(kinds)) for i, kind in enumerate(kinds)}
        cases: list[tuple[Term, Leaf]] = [
            (at["null"], Const(None)),
            (at["false"], Const(False)),
            (at["true"], Const(True)),
            (at["number"], Scalar(NUMBER, variable(f"{name} number", REAL))),
            (at["string"], self.string(f"{name} text").cases[0][1]),
            (at["array"], self._open_list(f"{name} list")),
            (at["object"], self.open_object(name).cases[0][1]),
        ]
        return Value(tuple(cases))

    def _open_list(self, name: str) -> Array:
        """A list of which nothing is said: a few strings and numbers are looked at, which is never all there is."""
        elements = []
        for place in range(_OPEN_ELEMENTS):
            longer = [choice(f"{name} size", size, _OPEN_ELEMENTS + 1) for size in range(place + 1, _OPEN_ELEMENTS + 1)]
            element = f"{name}[{place}]"
            is_string = choice(f"{element} kind", 0, 2)
            number_leaf = Scalar(NUMBER, variable(f"{element} number", REAL))
            cases = ((is_string, self.string(element).cases[0][1]), (neg(is_string), number_leaf))
            elements.append((disj(*longer), Value(cases)))
        return Array(tuple(elements), truncated=of_list(name))
