"""The rules of built-ins on values that are not known: under every assignment they give what OPA gives.

The arguments represent everything that a schema permits. Assignments are drawn at random; the documents that the
arguments then are go to OPA, and its result has to be what the result of the rule then is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from entitlements.engine import Opa
from entitlements.engine.builtin_calls import SetDocument
from entitlements.proof.migration import ABSENT
from entitlements.proof.symbolic.builtins.apply import RULES, Builtins
from entitlements.proof.symbolic.encode import decide_string
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.smt.assignment import Assignment, Chance, NotKnown
from entitlements.proof.symbolic.terms.string_relations import digits
from entitlements.proof.symbolic.terms.string_terms import concatenation
from entitlements.proof.symbolic.terms.term import INT, STRING_SORT, TRUE, disj, string, subterms, variable
from entitlements.proof.symbolic.values.algebra import Algebra, OrderNeeded
from entitlements.proof.symbolic.values.concrete import in_order
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import (
    STRING,
    Array,
    Const,
    Object,
    Set,
    Value,
    constant,
    of_leaf,
    scalar,
)

from .executing import ServedCalls, exactly, printed, same
from .test_constants import TableOf
from .test_mutations import DEPRECATED, WITHOUT_RESULT, wrong

ROUNDS = 60
LETTERS = ["a", "b", "ab"]
WHOLE = {"type": "integer"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "number": WHOLE,
    "times": WHOLE,
    "digit": {"type": "integer", "minimum": 0, "maximum": 3},
    "text": {"type": "string", "maxLength": 9},
    "letter": {"enum": LETTERS},
    "anything": {"enum": ["a", 1, True, None, 2]},
    "letters": {"type": "array", "items": {"enum": LETTERS}, "maxItems": 3},
    "tags": {"type": "array", "items": {"enum": LETTERS}, "uniqueItems": True, "maxItems": 3},
    "mixed": {"type": "array", "items": {"enum": ["a", 1, True, None, 2]}, "maxItems": 3},
    "numbers": {"type": "array", "items": WHOLE, "maxItems": 3},
    "digits": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 3}, "maxItems": 3},
    "texts": {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 3},
    "object": {
        "type": "object",
        "properties": {"k": {"enum": LETTERS}, "on": {"type": "boolean"}, "n": WHOLE},
        "required": ["n"],
    },
}
COLLECTIONS = ("letters", "tags", "mixed", "numbers", "digits", "texts")
TEXTS = [
    "a",
    "b",
    "ab",
    "",
    "a/b",
    "/",
    "a/b/c",
    "//",
    "x.y",
    "aXb",
    "é/😀",
    "ba",
    "abab",
    "A",
    " a ",
    "\u00a0b\u3000",
    "\x1f",
]
GLOBS = ["a", "*", "a*", "*b", "a/*", "*/*", "**", "a/**", "a**b", "?", "a?b", "*.*", "a*b*", "[ab]*", "{a,x}*", ""]
NUMBERS = [2, 3, 2**31, 2**53 + 1]
TIMES = [1_764_000_000 * 10**9, 951_782_400 * 10**9, 86_400 * 10**9, -(10**15), 2**63 - 1, -(2**63), 2**64]
CONTAINING = ("startswith", "endswith", "contains")
ANY_MATCHES = ("strings.any_prefix_match", "strings.any_suffix_match")

CALLS: list[tuple[str, ...]] = [
    *(("count", name) for name in (*COLLECTIONS, "set of mixed", "object", "text")),
    *(("sum", name) for name in ("numbers", "digits", "set of digits", "set of numbers")),
    *((f, name) for f in ("max", "min", "sort") for name in (*COLLECTIONS, "set of texts", "set of mixed")),
    *(
        (f, a, b)
        for f in ("lt", "lte", "gt", "gte", "equal", "neq")
        for a, b in [
            ("letters", "tags"),
            ("mixed", "mixed"),
            ("numbers", "numbers"),
            ("texts", "texts"),
            ("object", "object"),
            ("set of mixed", "set of digits"),
            ("set of texts", "set of letters"),
            ("anything", "anything"),
            ("number", "number"),
            ("text", "text"),
            ("letters", "anything"),
            ("object", "letters"),
        ]
    ),
    *((f, name, "2") for f in ("rem", "div") for name in ("number", "digit")),
    *((f, name, "-3") for f in ("rem", "div") for name in ("number", "digit")),
    *((f, name) for f in ("abs", "round", "ceil", "floor") for name in ("number", "digit")),
    *((f, a, b) for f in ("plus", "minus") for a, b in [("number", "digit"), ("number", "number"), ("digit", "3")]),
    ("to_number", "number"),
    *((f, name) for f in ("time.clock", "time.weekday") for name in ("times", "list of times")),
    ("mul", "number", "3"),
    *(
        ("array.slice", name, a, b)
        for name in COLLECTIONS
        for a, b in [("0", "2"), ("1", "9"), ("-1", "1"), ("2", "1")]
    ),
    *(("array.reverse", name) for name in COLLECTIONS),
    *(("array.concat", name, other) for name in COLLECTIONS for other in ("letters", "texts")),
    *((f, "set of letters", name) for f in ("and", "or", "minus") for name in ("set of texts", "set of mixed")),
    *(("internal.member_2", item, name) for item in ("letter", "text", "digit") for name in (*COLLECTIONS, "object")),
    *(("internal.member_3", "digit", item, name) for item in ("letter", "text") for name in COLLECTIONS),
    *(("object.get", "object", key, "digit") for key in ('"k"', '"z"', '["k"]', "letter")),
    ("object.keys", "object"),
    *((f, "text", f'"{part}"') for f in ("startswith", "endswith", "contains") for part in ("a", "/", "ab")),
    *(
        (f, a, b)
        for f in CONTAINING
        for a, b in [("text", "text"), ('"ab/a"', "text"), ('""', "text"), ("text", "letter")]
    ),
    *((f, "joined", name) for f in (*CONTAINING, "equal") for name in ("text", "joined", '"a/ab"', '"/"')),
    *((f, name, parts) for f in ANY_MATCHES for name in ("text", '"ab/a"') for parts in ("texts", "text")),
    *(("equal", "digits of it", name) for name in ('"-3"', '"03"', '"2"', "text", "digits of it")),
    *(("regex.match", f'"{pattern}"', "text") for pattern in ("^a", "[/.]", "b$")),
    *(("concat", '"/"', name) for name in ("letters", "texts", "tags", "pair", "list of text letter")),
    ("sprintf", '"%s-%v"', "pair"),
    *(("sprintf", f'"{pattern}"', "list of text letter") for pattern in ("%s-%v", "%s%s", "%%%s%v%%")),
    *(("sprintf", f'"{pattern}"', name) for pattern in ("%d", "n%vx") for name in ("list of number", "list of digit")),
    *(("sprintf", f'"{pattern}"', "list of text number anything") for pattern in ("%s/%d %v", "%v%v%v")),
    *((f"is_{kind}", "anything") for kind in ("null", "boolean", "number", "string", "array", "object", "set")),
    ("type_name", "anything"),
    *(("split", "text", f'"{mark}"') for mark in ("/", ".", "//", "ab")),
    *((f, "text", f'"{cut}"') for f in ("trim_prefix", "trim_suffix") for cut in ("a", "/", "ab")),
    *((f, "text", f'"{cut}"') for f in ("trim", "trim_left", "trim_right") for cut in ("a", "b/", "")),
    *((f, "text") for f in ("trim_space", "lower", "upper")),
    *(("substring", "text", start, size) for start in ("0", "1", "7") for size in ("0", "2", "-1")),
    *(("replace", "text", f'"{old}"', f'"{new}"') for old, new in (("a", "b"), ("ab", ""), ("/", "//"), ("b", ".b"))),
    *(("glob.match", f'"{glob}"', stops, "text") for glob in GLOBS for stops in ("[]", "null", '["/"]', '["/", "."]')),
    *((f, name, parts) for f in ANY_MATCHES for name in ("text", "texts") for parts in ('"a"', '["a/", "b"]')),
]


@pytest.fixture(scope="module")
def calls(opa: Opa) -> Iterator[ServedCalls]:
    with ServedCalls(opa) as served:
        yield served


def argument(inputs: Inputs, name: str, place: int | str) -> Value:
    """What a name of an argument represents: a schema's values, a set of a list's elements, or a constant."""
    variable_name = f"x{place}"
    if name == "pair":
        return of_leaf(Array(tuple((TRUE, argument(inputs, one, place)) for one in ("text", "letter"))))
    if name == "joined":
        return of_leaf(scalar(STRING, concatenation([string("a/"), variable(variable_name, STRING_SORT)])))
    if name == "digits of it":
        return of_leaf(scalar(STRING, digits(variable(variable_name, INT))))
    if name.startswith("list of "):
        kinds = enumerate(name.removeprefix("list of ").split())
        return of_leaf(Array(tuple((TRUE, argument(inputs, one, f"{place}.{at}")) for at, one in kinds)))
    if name.startswith("set of "):
        listed = inputs.of_schema(SCHEMAS[name.removeprefix("set of ")], variable_name)
        return Value(tuple((g, Set(leaf.elements)) for g, leaf in listed.cases if isinstance(leaf, Array)))
    if name in SCHEMAS:
        return inputs.of_schema(SCHEMAS[name], variable_name)
    return constant(json.loads(name))


def differences(calls: ServedCalls, call: tuple[str, ...], rules: Mapping[str, Any]) -> tuple[list[str], int]:
    """How the rule and OPA differ, and for how many assignments the result of the rule is known."""
    name, *names = call
    full: set[str] = set()
    while True:
        limits = Limits()
        inputs = Inputs(Algebra(limits), full=frozenset(full))
        arguments = [argument(inputs, one, place) for place, one in enumerate(names)]
        table = TableOf({name: calls.declared[name]["decl"]}, Algebra(limits), limits, calls)
        table.rules = rules
        try:
            value, failures = table(name, arguments, TRUE)
            break
        except OrderNeeded as needed:
            full.add(needed.source_list)
    fails = disj(*failures.values())
    found, known = [], 0
    numbers = TIMES if name.startswith("time.") else NUMBERS
    for assignment, rows in assignments(table, [*arguments, value], inputs, numbers):
        (wanted,) = calls(name, [rows])
        try:
            failed, given = assignment.of(fails), document(assignment, value)
        except NotKnown:
            continue
        known += 1
        right = failed if wanted.failed else not failed and wanted.defined == (given is not ABSENT)
        if right and wanted.defined and not wanted.failed:
            right = same(printed(exactly(given)), printed(in_order_of(wanted.value)))
        if not right:
            found.append(f"{name}{tuple(rows)}: OPA gives {wanted}, the rule {given}")
    return found, known


def assignments(
    table: Builtins, values: list[Value], inputs: Inputs, numbers: list[int]
) -> Iterator[tuple[Assignment, list[Any]]]:
    """Random assignments, each with the documents that the arguments then are."""
    guards = [*inputs.facts, *(term for value in values for term in conditions(value))]
    sizes = {term.args[0]: term.args[2] for term in subterms(guards) if term.op == "choice"}
    chance = Chance(7, TEXTS, numbers)
    # How often a member occurs is lost where lists are put together: then each occurs once.
    lost = any(
        isinstance(leaf, Array) and not leaf.known_multiplicity and leaf.repeats is None for _, leaf in values[-1].cases
    )
    for _ in range(ROUNDS):
        assignment = chance.assignment(sizes, lambda *asked: decide_string(table, *asked))
        yield assignment, [document(assignment, value, repeats=not lost) for value in values[:-1]]


def conditions(value: Value) -> Iterator[Any]:
    for guard, leaf in value.cases:
        yield guard
        inner = [] if isinstance(leaf, Const) else getattr(leaf, "elements", ())
        if isinstance(leaf, Object):
            inner = [(there, member) for there, _, member in leaf.members]
        for there, element in inner:
            yield there
            yield from conditions(element)


def document(assignment: Assignment, value: Value, *, repeats: bool = True) -> Any:
    """The document of a value, sets as `SetDocument`s. repeats: whether members of a list may occur again."""
    for guard, leaf in value.cases:
        if assignment.of(guard):
            if isinstance(leaf, (Array, Set)):
                items = [document(assignment, element) for there, element in leaf.elements if assignment.of(there)]
                if isinstance(leaf, Array) and repeats:
                    items += [items[0] for more in leaf.repeats or () if assignment.of(more)]
                return SetDocument(in_order(items)) if isinstance(leaf, Set) else items
            return assignment.document(of_leaf(leaf))
    return ABSENT


def in_order_of(found: Any) -> Any:
    return SetDocument(in_order(found)) if isinstance(found, SetDocument) else found


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_rule_gives_what_opa_gives(call: tuple[str, ...], calls: ServedCalls) -> None:
    found, known = differences(calls, call, RULES)
    assert found == []
    # Most quotients are rounded: of those only congruence is known.
    assert known > ROUNDS // (20 if call[0] == "div" else 3)


BROKEN: dict[str, Callable[..., Value]] = {name: wrong(RULES[name]) for name in {call[0] for call in CALLS}}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_rule_is_noticed(name: str, calls: ServedCalls) -> None:
    assert any(differences(calls, call, {**RULES, name: BROKEN[name]})[0] for call in CALLS if call[0] == name)


def test_every_rule_of_the_table_is_tried() -> None:
    assert set(RULES) - {call[0] for call in CALLS} <= {"eq", *DEPRECATED, *WITHOUT_RESULT}
